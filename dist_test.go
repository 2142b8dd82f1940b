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
	data []byte
}

// packedAt is the time of every file in an archive, the earliest that a zip can hold.
var packedAt = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// tarball returns a .tar.gz of the files, without a trace of who made it, when or where.
func tarball(files []packed) ([]byte, error) {
	var b bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(zipped)
	for _, f := range files {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)),
			ModTime: packedAt, Format: tar.FormatUSTAR,
		}
		if err := t.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := t.Write(f.data); err != nil {
			return nil, err
		}
	}
	err = errors.Join(t.Close(), zipped.Close())
	return b.Bytes(), err
}

// zipball does the same as a .zip.
func zipball(files []packed) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: packedAt}
		header.SetMode(os.FileMode(f.mode))
		w, err := z.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// documents returns what every archive holds beside the binary. Go's licence asks to go with any
// binary that Go builds.
func documents(t testing.TB) []packed {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []packed
	for name, path := range map[string]string{
		"LICENSE":     "LICENSE",
		"LICENSE-GO":  filepath.Join(strings.TrimSpace(string(root)), "LICENSE"),
		"README.md":   "README.md",
		"SECURITY.md": "SECURITY.md",
	} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, packed{name, 0o644, data})
	}
	s := newShell(t, nil)
	for shell, name := range map[string]string{
		"bash": "completions/microtica.bash",
		"fish": "completions/microtica.fish",
		"zsh":  "completions/_microtica",
	} {
		files = append(files, packed{name, 0o644, []byte(s.run("completion", shell).stdout)})
	}
	slices.SortFunc(files, func(a, b packed) int { return strings.Compare(a.name, b.name) })
	return files
}

// TestDocuments looks at what goes beside the binary.
func TestDocuments(t *testing.T) {
	t.Parallel()
	signs := map[string]string{ // what each file must say somewhere
		"LICENSE":                    "MIT",
		"LICENSE-GO":                 "The Go Authors",
		"README.md":                  "# microtica\n",
		"SECURITY.md":                "vulnerability",
		"completions/_microtica":     "#compdef microtica\n",
		"completions/microtica.bash": "\ncomplete ",
		"completions/microtica.fish": "\ncomplete -c microtica ",
	}
	for _, f := range documents(t) {
		if sign, known := signs[f.name]; !known || !bytes.Contains(f.data, []byte(sign)) {
			t.Errorf("%s is not expected, or does not say %q", f.name, sign)
		}
		delete(signs, f.name)
	}
	for name := range signs {
		t.Errorf("%s is missing", name)
	}
}

// unpacked is how a test finds a file in an archive.
type unpacked struct {
	packed
	at    time.Time
	owner string
}

// readTarball returns the files of a .tar.gz.
func readTarball(t *testing.T, archive []byte) []unpacked {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	if h := unzipped.Header; h.Name != "" || !h.ModTime.IsZero() || h.Comment != "" {
		t.Errorf("the gzip header holds %+v", h)
	}
	var files []unpacked
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		owner := fmt.Sprint(h.Uid, h.Gid, h.Uname, h.Gname)
		files = append(files, unpacked{packed{h.Name, h.Mode, data}, h.ModTime, owner})
	}
}

// readZipball returns the files of a .zip.
func readZipball(t *testing.T, archive []byte) []unpacked {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var files []unpacked
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		file := packed{f.Name, int64(f.Mode()), data}
		files = append(files, unpacked{file, f.Modified, fmt.Sprint(0, 0, "", "")})
	}
	return files
}

// TestArchivesAreTheSameEachTime makes both kinds twice, and reads them back.
func TestArchivesAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	files := []packed{
		{"d/microtica", 0o755, bytes.Repeat([]byte("binary"), 10000)},
		{"d/README.md", 0o644, []byte("text")},
	}
	for _, kind := range []struct {
		name string
		pack func([]packed) ([]byte, error)
		read func(*testing.T, []byte) []unpacked
	}{
		{".tar.gz", tarball, readTarball},
		{".zip", zipball, readZipball},
	} {
		first, err := kind.pack(files)
		if err != nil {
			t.Fatal(err)
		}
		second, err := kind.pack(files)
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("two %s of the same files differ (%v)", kind.name, err)
		}
		got := kind.read(t, first)
		if len(got) != len(files) {
			t.Fatalf("the %s holds %d files, want %d", kind.name, len(got), len(files))
		}
		for i, want := range files {
			g := got[i]
			same := g.name == want.name && g.mode == want.mode && bytes.Equal(g.data, want.data)
			if !same || !g.at.Equal(packedAt) || g.owner != fmt.Sprint(0, 0, "", "") {
				t.Errorf("the %s holds %+v, want %+v", kind.name, g, want)
			}
		}
	}
}

// buildFor returns the program built for a platform such as linux/amd64.
func buildFor(t *testing.T, platform, version string) []byte {
	t.Helper()
	system, arch, _ := strings.Cut(platform, "/")
	path := filepath.Join(t.TempDir(), "microtica")
	flags := "-s -w -X main.version=" + version
	cmd := exec.Command("go", "build", "-ldflags", flags, "-o", path, ".")
	cmd.Env = append(os.Environ(),
		"CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", platform, err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestDist is make dist: it builds and packs the program for the platforms that the Makefile names,
// into the folder that MICROTICA_DIST names.
func TestDist(t *testing.T) {
	dir, version := os.Getenv("MICROTICA_DIST"), os.Getenv("VERSION")
	if dir == "" {
		t.Skip("MICROTICA_DIST names no folder; run make dist")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	beside := documents(t)
	var sums strings.Builder
	for _, platform := range strings.Fields(os.Getenv("MICROTICA_PLATFORMS")) {
		name := "microtica_" + version + "_" + strings.ReplaceAll(platform, "/", "_")
		program, suffix, pack := "microtica", ".tar.gz", tarball
		if strings.HasPrefix(platform, "windows/") {
			program, suffix, pack = "microtica.exe", ".zip", zipball
		}
		files := []packed{{name + "/" + program, 0o755, buildFor(t, platform, version)}}
		for _, f := range beside {
			files = append(files, packed{name + "/" + f.name, f.mode, f.data})
		}
		archive, err := pack(files)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+suffix), archive, 0o644); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(archive), name+suffix)
	}
	err := os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Print(sums.String())
}
