// Package objectstest gives tests a running object store: the real database in a temporary folder,
// blobs and root keys in memory that can be made to fail and complain of misuse, a clock that stands
// still, and access that a test hands out itself.
package objectstest
