package dispersal

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"

	"strongroom/objects"
)

// OpenStore opens the store of a node by its URL, without asking it anything: "file:///absolute/folder",
// or "s3://bucket?endpoint=…&region=…".
func OpenStore(ctx context.Context, n objects.Node) (SliceStore, error) {
	u, err := url.Parse(n.URL)
	if err != nil {
		return nil, objects.ErrNode.On("url", "it is no URL")
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || !filepath.IsAbs(u.Path) || filepath.Clean(u.Path) != u.Path {
			return nil, objects.ErrNode.On("url", "a folder is given as file:///absolute/path")
		}
		return NewFolder(Disk{}, u.Path, n.ID), nil
	case "s3":
		return openBucket(ctx, u, n)
	}
	return nil, objects.ErrNode.On("url", fmt.Sprintf("%q is not a kind of storage node", u.Scheme))
}
