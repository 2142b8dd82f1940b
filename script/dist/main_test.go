package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// must ends the test if there is an error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// unpackTar returns the files of a .tar.gz, which may hold nothing of the packer.
func unpackTar(t *testing.T, archive []byte) (files []file) {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	must(t, err)
	if h := unzipped.Header; h.Name != "" || !h.ModTime.IsZero() || h.Comment != "" {
		t.Errorf("the gzip header holds %+v", h)
	}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		data, readErr := io.ReadAll(r)
		must(t, err, readErr)
		files = append(files, file{h.Name, h.Mode, string(data)})
		if h.Uid+h.Gid != 0 || h.Uname+h.Gname != "" || !h.ModTime.Equal(packedAt) {
			t.Errorf("%s in the .tar.gz has the header %+v", h.Name, h)
		}
	}
}

// unpackZip does the same with a .zip.
func unpackZip(t *testing.T, archive []byte) (files []file) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	must(t, err)
	for _, f := range z.File {
		data, err := fs.ReadFile(z, f.Name)
		must(t, err)
		files = append(files, file{f.Name, int64(f.Mode()), string(data)})
		if !f.Modified.Equal(packedAt) {
			t.Errorf("%s in the .zip has the time %v", f.Name, f.Modified)
		}
	}
	return files
}

// TestArchivesAreTheSameEachTime packs files twice in both kinds, and reads them back.
func TestArchivesAreTheSameEachTime(t *testing.T) {
	files := []file{{"a/b", 0o755, strings.Repeat("binary", 10000)}, {"a/c/d", 0o644, "text\n"}}
	for _, kind := range []struct {
		pack   func([]file) ([]byte, error)
		unpack func(*testing.T, []byte) []file
	}{{tarball, unpackTar}, {zipball, unpackZip}} {
		one, err := kind.pack(files)
		two, err2 := kind.pack(files)
		must(t, err, err2)
		if !bytes.Equal(one, two) {
			t.Error("two archives of the same files differ")
		}
		if got := kind.unpack(t, one); !slices.Equal(got, files) {
			t.Errorf("the archive holds %.300s", fmt.Sprint(got))
		}
	}
}

// TestDistPacksTheProgramAndItsDocuments does so with a program that prints its arguments.
func TestDistPacksTheProgramAndItsDocuments(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod": "module microtica\n\ngo 1.24\n",
		"main.go": "package main\n\nimport \"os\"\n\nvar version string\n\n" +
			"func main() { os.Stdout.WriteString(os.Args[1] + os.Args[2] + version) }\n",
		"LICENSE": "MIT", "README.md": "# microtica", "SECURITY.md": "# Security",
	} {
		must(t, os.WriteFile(name, []byte(text), 0o600))
	}
	must(t, dist("dist", "0.7.8-rc.9", []string{runtime.GOOS + "/" + runtime.GOARCH}))
	folder, program := "microtica_0.7.8-rc.9_"+runtime.GOOS+"_"+runtime.GOARCH, "microtica"
	archive, unpack := folder+".tar.gz", unpackTar
	if runtime.GOOS == "windows" {
		program, archive, unpack = "microtica.exe", folder+".zip", unpackZip
	}
	data, err := os.ReadFile("dist/" + archive)
	sums, err2 := os.ReadFile("dist/SHA256SUMS")
	must(t, err, err2)
	if want := fmt.Sprintf("%x  %s\n", sha256.Sum256(data), archive); string(sums) != want {
		t.Errorf("SHA256SUMS is %q, want %q", sums, want)
	}
	files := unpack(t, data)
	if len(files) < 3 || !strings.Contains(files[0].data, "0.7.8-rc.9") ||
		!strings.Contains(files[2].data, "The Go Authors") {
		t.Fatal("the archive has no program of that version, or no licence of Go")
	}
	files[0].data, files[2].data = "", ""
	if want := []file{
		{folder + "/" + program, 0o755, ""}, {folder + "/LICENSE", 0o644, "MIT"},
		{folder + "/LICENSE-GO", 0o644, ""}, {folder + "/README.md", 0o644, "# microtica"},
		{folder + "/SECURITY.md", 0o644, "# Security"},
		{folder + "/completions/_microtica", 0o644, "completionzsh"},
		{folder + "/completions/microtica.bash", 0o644, "completionbash"},
		{folder + "/completions/microtica.fish", 0o644, "completionfish"},
	}; !slices.Equal(files, want) {
		t.Errorf("the archive holds %v\nwant %v", files, want)
	}
	failing := "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(1) }\n"
	must(t, os.WriteFile("main.go", []byte(failing), 0o600))
	if _, err := documents(); err == nil {
		t.Error("a program without completion scripts was packed")
	}
}
