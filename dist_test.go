package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// packed is a file in an archive.
type packed struct {
	name string
	mode int64
	data string
}

// packedAt is the time of every file in an archive, the earliest that a zip can hold.
var packedAt = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// tarball returns a .tar.gz of the files, without a trace of who made it, when or where.
func tarball(t testing.TB, files []packed) []byte {
	var b bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	must(t, err)
	w := tar.NewWriter(zipped)
	for _, f := range files {
		must(t, w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)),
			ModTime: packedAt, Format: tar.FormatUSTAR,
		}))
		_, err := io.WriteString(w, f.data)
		must(t, err)
	}
	must(t, w.Close(), zipped.Close())
	return b.Bytes()
}

// zipball does the same as a .zip.
func zipball(t testing.TB, files []packed) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: packedAt}
		header.SetMode(os.FileMode(f.mode))
		w, err := z.CreateHeader(header)
		must(t, err)
		_, err = io.WriteString(w, f.data)
		must(t, err)
	}
	must(t, z.Close())
	return b.Bytes()
}

// documents returns what every archive holds besides the binary, by name. Go's licence must go with
// any binary that Go builds.
func documents(t testing.TB) []packed {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	must(t, err)
	read := func(path string) string {
		data, err := os.ReadFile(path)
		must(t, err)
		return string(data)
	}
	s := newShell(t, nil)
	return []packed{
		{"LICENSE", 0o644, read("LICENSE")},
		{"LICENSE-GO", 0o644, read(filepath.Join(strings.TrimSpace(string(root)), "LICENSE"))},
		{"README.md", 0o644, read("README.md")},
		{"SECURITY.md", 0o644, read("SECURITY.md")},
		{"completions/_microtica", 0o644, s.run("completion", "zsh").stdout},
		{"completions/microtica.bash", 0o644, s.run("completion", "bash").stdout},
		{"completions/microtica.fish", 0o644, s.run("completion", "fish").stdout},
	}
}

// TestArchivesAreTheSameEachTime packs the documents twice in both kinds, and reads them back.
func TestArchivesAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	files := append(documents(t), packed{"microtica", 0o755, strings.Repeat("binary", 10000)})
	signs := []string{"MIT", "The Go Authors", "# microtica\n", "vulnerability",
		"#compdef microtica\n", "\ncomplete -o", "\ncomplete -c microtica ", "binary"}
	for i, f := range files {
		if !strings.Contains(f.data, signs[i]) {
			t.Errorf("%s does not say %q", f.name, signs[i])
		}
	}
	archive := tarball(t, files)
	if !bytes.Equal(archive, tarball(t, files)) {
		t.Error("two .tar.gz of the same files differ")
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	must(t, err)
	if h := unzipped.Header; h.Name != "" || !h.ModTime.IsZero() || h.Comment != "" {
		t.Errorf("the gzip header holds %+v", h)
	}
	var got []packed
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		data, readErr := io.ReadAll(r)
		must(t, err, readErr)
		got = append(got, packed{h.Name, h.Mode, string(data)})
		if h.Uid+h.Gid != 0 || h.Uname+h.Gname != "" || !h.ModTime.Equal(packedAt) {
			t.Errorf("%s in the .tar.gz has the header %+v", h.Name, h)
		}
	}
	if !slices.Equal(got, files) {
		t.Errorf("the .tar.gz holds %.300v", got)
	}
	archive = zipball(t, files)
	if !bytes.Equal(archive, zipball(t, files)) {
		t.Error("two .zip of the same files differ")
	}
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	must(t, err)
	got = nil
	for _, f := range z.File {
		data, err := fs.ReadFile(z, f.Name)
		must(t, err)
		got = append(got, packed{f.Name, int64(f.Mode()), string(data)})
		if !f.Modified.Equal(packedAt) {
			t.Errorf("%s in the .zip has the time %v", f.Name, f.Modified)
		}
	}
	if !slices.Equal(got, files) {
		t.Errorf("the .zip holds %.300v", got)
	}
}

// TestDist is make dist: it builds and packs the program for the platforms that the Makefile names,
// into the folder that MICROTICA_DIST names.
func TestDist(t *testing.T) {
	dir, version := os.Getenv("MICROTICA_DIST"), os.Getenv("VERSION")
	if dir == "" {
		t.Skip("MICROTICA_DIST names no folder; run make dist")
	}
	must(t, os.MkdirAll(dir, 0o755))
	var sums strings.Builder
	for _, platform := range strings.Fields(os.Getenv("MICROTICA_PLATFORMS")) {
		system, arch, _ := strings.Cut(platform, "/")
		folder := "microtica_" + version + "_" + system + "_" + arch
		program, archive, pack := "microtica", folder+".tar.gz", tarball
		if system == "windows" {
			program, archive, pack = "microtica.exe", folder+".zip", zipball
		}
		path := filepath.Join(t.TempDir(), program)
		flags := "-s -w -X main.version=" + version
		build := exec.Command("go", "build", "-ldflags", flags, "-o", path, ".")
		build.Env = append(os.Environ(),
			"CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", platform, err, out)
		}
		binary, err := os.ReadFile(path)
		must(t, err)
		files := []packed{{folder + "/" + program, 0o755, string(binary)}}
		for _, f := range documents(t) {
			files = append(files, packed{folder + "/" + f.name, f.mode, f.data})
		}
		data := pack(t, files)
		must(t, os.WriteFile(filepath.Join(dir, archive), data, 0o644))
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), archive)
	}
	must(t, os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644))
	fmt.Print(sums.String())
}
