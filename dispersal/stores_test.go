package dispersal_test

import (
	"path/filepath"
	"testing"

	"gocloud.dev/blob/memblob"

	"strongroom/dispersal"
	"strongroom/dispersal/slicestest"
)

func TestFolder(t *testing.T) {
	slicestest.Run(t, func(t *testing.T) dispersal.SliceStore {
		return dispersal.NewFolder(dispersal.Disk{}, filepath.Join(t.TempDir(), "node"), slicestest.Node)
	})
}

func TestBucketInMemory(t *testing.T) {
	slicestest.Run(t, func(t *testing.T) dispersal.SliceStore {
		return dispersal.NewBucket(memblob.OpenBucket(nil), slicestest.Node)
	})
}
