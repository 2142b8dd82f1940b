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

// tarball returns a .tar.gz of the files, in which nothing tells who made it, when or where.
func tarball(files []packed) ([]byte, error) {
	var b bytes.Buffer
	zipped, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	t := tar.NewWriter(zipped)
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: packedAt, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := t.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := errors.Join(t.Close(), zipped.Close())
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

// TestArchivesAreTheSameEachTime reads both kinds back, and makes them twice.
func TestArchivesAreTheSameEachTime(t *testing.T) {
	files := []packed{{"d/microtica", 0o755, bytes.Repeat([]byte("binary"), 10000)}, {"d/README.md", 0o644, []byte("text")}}
	first, err := tarball(files)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := tarball(files)
	if len(first) == 0 || !bytes.Equal(first, second) {
		t.Error("two .tar.gz of the same files differ")
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if h := unzipped.Header; h.Name != "" || !h.ModTime.IsZero() || h.Comment != "" {
		t.Errorf("the gzip header tells %+v", h)
	}
	reader := tar.NewReader(unzipped)
	for _, want := range files {
		h, err := reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(reader)
		if h.Name != want.name || h.Mode != want.mode || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(packedAt) || !bytes.Equal(data, want.data) || err != nil {
			t.Errorf("the .tar.gz holds %+v, %v", h, err)
		}
	}
	if _, err := reader.Next(); err != io.EOF {
		t.Errorf("the .tar.gz does not end: %v", err)
	}

	first, err = zipball(files)
	if err != nil {
		t.Fatal(err)
	}
	second, _ = zipball(files)
	if len(first) == 0 || !bytes.Equal(first, second) {
		t.Error("two .zip of the same files differ")
	}
	z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil || len(z.File) != len(files) {
		t.Fatal(err, len(z.File))
	}
	for i, want := range files {
		f, err := z.File[i].Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(f)
		if z.File[i].Name != want.name || int64(z.File[i].Mode()) != want.mode || !z.File[i].Modified.Equal(packedAt) || !bytes.Equal(data, want.data) || err != nil {
			t.Errorf("the .zip holds %+v, %v", z.File[i], err)
		}
	}
}

// TestDist builds and packs the program for every platform, into the folder that MICROTICA_DIST names: that is make dist. What it
// needs beyond the sources are the version and the list of platforms, which the Makefile gives.
func TestDist(t *testing.T) {
	dir, version := os.Getenv("MICROTICA_DIST"), os.Getenv("MICROTICA_VERSION")
	if dir == "" {
		t.Skip("MICROTICA_DIST names no folder; run make dist")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var sums strings.Builder
	for _, platform := range strings.Fields(os.Getenv("MICROTICA_PLATFORMS")) {
		system, arch, _ := strings.Cut(platform, "/")
		name, suffix, pack := fmt.Sprintf("microtica_%s_%s_%s", version, system, arch), ".tar.gz", tarball
		program := "microtica"
		if system == "windows" {
			program, suffix, pack = "microtica.exe", ".zip", zipball
		}
		built := filepath.Join(t.TempDir(), program)
		build := exec.Command("go", "build", "-ldflags", "-s -w -X main.version="+version, "-o", built, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", platform, err, out)
		}
		var files []packed
		for _, f := range []struct {
			path, name string
			mode       int64
		}{{built, program, 0o755}, {"README.md", "README.md", 0o644}, {"LICENSE", "LICENSE", 0o644}} {
			data, err := os.ReadFile(f.path)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, packed{name + "/" + f.name, f.mode, data})
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
	if err := os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	fmt.Print(sums.String())
}
