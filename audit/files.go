package audit

import "io"

// files is what the log needs of its folder. Its second implementation, in the tests, loses what
// was not synced and fails where it is told to.
type files interface {
	// list returns the names of the files in the folder.
	list() ([]string, error)
	// create makes a file that does not exist yet. It is certain to be found again after syncDir.
	create(name string) (file, error)
	// open opens a file for reading and writing; fs.ErrNotExist if there is none.
	open(name string) (file, error)
	// size returns the size of the file that name leads to now; fs.ErrNotExist if there is none.
	size(name string) (int64, error)
	// remove removes a file; fs.ErrNotExist if there is none.
	remove(name string) error
	// syncDir makes creations and removals durable.
	syncDir() error
	// free returns the bytes that may still be written to the file system.
	free() (uint64, error)
	// close releases the folder.
	close() error
}

// file is an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Truncate cuts the file to size bytes.
	Truncate(size int64) error
	// Sync makes what was written, and the size, durable.
	Sync() error
	// Size returns the size in bytes.
	Size() (int64, error)
}
