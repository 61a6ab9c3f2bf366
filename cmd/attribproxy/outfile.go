package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writeOut lets f write to the file at path, which is there as a whole or not at
// all, or to stdout where path is "".
func (a *app) writeOut(path string, f func(io.Writer) error) (err error) {
	if path == "" {
		w := bufio.NewWriterSize(a.stdout, 64<<10)
		if err := errors.Join(f(w), w.Flush()); err != nil {
			return fmt.Errorf("printing the result: %w", err)
		}
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone when all went well
	w := bufio.NewWriterSize(file, 64<<10)
	if err := errors.Join(f(w), w.Flush(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
