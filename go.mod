module microtica

go 1.24
