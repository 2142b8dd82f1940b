// Dist builds the program for the platforms that its arguments name, such as linux/amd64, and packs
// each binary with its documents, a .zip for Windows and a .tar.gz for the others, into the folder
// dist, with a file of checksums. The same sources, version and Go make the same bytes anywhere.
// make dist runs it, in the root of the repository, and sets GOFLAGS.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	version := flag.String("version", "dev", "what the binaries call themselves")
	flag.Parse()
	if err := dist("dist", *version, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// file is a file in an archive.
type file struct {
	name string
	mode int64
	data string
}

// dist makes the archives and SHA256SUMS in dir, and prints the checksums.
func dist(dir, version string, platforms []string) error {
	documents, err := documents()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sums := ""
	for _, platform := range platforms {
		system, arch, _ := strings.Cut(platform, "/")
		folder := "microtica_" + version + "_" + system + "_" + arch
		program, archive, pack := "microtica", folder+".tar.gz", tarball
		if system == "windows" {
			program, archive, pack = "microtica.exe", folder+".zip", zipball
		}
		binary, err := build(version, "GOOS="+system, "GOARCH="+arch)
		if err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		files := []file{{folder + "/" + program, 0o755, binary}}
		for _, f := range documents {
			files = append(files, file{folder + "/" + f.name, f.mode, f.data})
		}
		data, err := pack(files)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, archive), data, 0o644); err != nil {
			return err
		}
		sum := fmt.Sprintf("%x  %s\n", sha256.Sum256(data), archive)
		fmt.Print(sum)
		sums += sum
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums), 0o644)
}

// build returns the binary for a platform, which variables of Go name.
func build(version string, platform ...string) (string, error) {
	temp, err := os.MkdirTemp("", "microtica-dist-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	path := filepath.Join(temp, "microtica.exe")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w -X main.version="+version, "-o", path)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Env = append(cmd.Env, platform...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", err
	}
	binary, err := os.ReadFile(path)
	return string(binary), err
}

// documents returns what every archive holds besides the binary. Go's licence must go with any
// binary that Go builds.
func documents() ([]file, error) {
	root, err := output("go", "env", "GOROOT")
	var files []file
	for _, document := range []struct{ name, path string }{
		{"LICENSE", "LICENSE"}, {"LICENSE-GO", filepath.Join(strings.TrimSpace(root), "LICENSE")},
		{"README.md", "README.md"}, {"SECURITY.md", "SECURITY.md"},
	} {
		data, readErr := os.ReadFile(document.path)
		files = append(files, file{document.name, 0o644, string(data)})
		err = errors.Join(err, readErr)
	}
	for _, script := range []struct{ shell, name string }{
		{"zsh", "_microtica"}, {"bash", "microtica.bash"}, {"fish", "microtica.fish"},
	} {
		text, runErr := output("go", "run", ".", "completion", script.shell)
		files = append(files, file{"completions/" + script.name, 0o644, text})
		err = errors.Join(err, runErr)
	}
	return files, err
}

// output returns what a program prints to stdout.
func output(program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return string(out), err
}

// packedAt is the time of every file in an archive, the earliest that a .zip can hold.
var packedAt = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// tarball returns a .tar.gz of the files, without a trace of who made it, when or where.
func tarball(files []file) ([]byte, error) {
	var b bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w := tar.NewWriter(zipped)
	for _, f := range files {
		err = errors.Join(err, w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)),
			ModTime: packedAt, Format: tar.FormatUSTAR,
		}))
		_, writeErr := w.Write([]byte(f.data))
		err = errors.Join(err, writeErr)
	}
	err = errors.Join(err, w.Close(), zipped.Close())
	return b.Bytes(), err
}

// zipball does the same as a .zip.
func zipball(files []file) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: packedAt}
		header.SetMode(os.FileMode(f.mode))
		w, err := z.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(f.data)); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}
