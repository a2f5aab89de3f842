package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/dispersal"
	"strongroom/iam"
	"strongroom/objects"
	"strongroom/resource"
)

// How often the object store looks after itself.
const (
	followEvery    = 2 * time.Second // whether root keys of buckets were rotated
	lifecycleEvery = time.Minute
)

// openObjects makes the object store, on nodes that the first start chooses.
func (h *house) openObjects(ctx context.Context) error {
	key, _, err := h.db.Secrets().Obtain(ctx, h.vault, "slice-key", "1", func() (custody.Secret, []byte, error) {
		return custody.RandomSecret(dispersal.KeySize), nil, nil
	})
	if err != nil {
		return fmt.Errorf("opening the key of the slices: %w", err)
	}
	kept, err := h.nodesKept(ctx)
	if err != nil {
		return err
	}
	o := h.config.Objects
	cluster := dispersal.Config{
		Catalog: h.db.Objects(), Nodes: h.db.Nodes(), Key: key, Server: h.folder.server, Now: h.now, Logger: h.log,
		Upkeep:   dispersal.Upkeep{ScrubRate: int64(o.ScrubMiB) << 20, RebuildRate: int64(o.RebuildMiB) << 20},
		ReadOnly: kept,
	}
	if h.config.Disperse != nil {
		h.config.Disperse(&cluster)
	}
	h.cluster, err = dispersal.Open(ctx, cluster)
	if err != nil {
		return fmt.Errorf("opening the storage nodes: %w", err)
	}
	h.onClose(h.cluster.Close)
	nodes, err := h.storageNodes(ctx)
	if err != nil {
		return err
	}
	provider, err := h.providerRoot(ctx)
	if err != nil {
		return err
	}
	roots, err := h.rootKeys(provider)
	if err != nil {
		return err
	}
	profiles, choose := o.profiles(nodes)
	h.objects = objects.New(objects.ServiceConfig{
		Store: h.db.Objects(), Blobs: h.cluster, RootKeys: roots, Instances: instances{h}, Decider: h.access,
		Log: h.audit, Hub: h.hub, Now: h.now, Logger: h.log,
		Provider: provider, Profiles: profiles, Select: choose, Location: h.fixed.region + "-standard",
		Embed: max(int64(o.EmbedKiB)<<10, 0), MaxBuckets: o.MaxBuckets, NameWait: o.NameWait, StrictNames: o.StrictNames,
	})
	return h.objects.Reconcile(ctx)
}

// storageNodes returns the storage nodes, which the first start takes from the configuration. A first
// start that was interrupted is finished by the next one.
func (h *house) storageNodes(ctx context.Context) ([]objects.Node, error) {
	store := h.db.Nodes()
	nodes, err := store.Nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the storage nodes: %w", err)
	}
	if done, err := h.db.Setting(ctx, settingNodes); err != nil || done != "" {
		return nodes, err
	}
	if err := h.makeNodesFolder(); err != nil {
		return nil, err
	}
	for _, n := range h.config.Objects.Nodes {
		node := objects.Node{
			ID: objects.NewNodeID(), Name: n.Name, Site: n.Site, URL: n.URL, CredentialsFile: n.CredentialsFile,
			State: objects.NodeActive, Created: h.now(),
		}
		if i := slices.IndexFunc(nodes, func(had objects.Node) bool { return had.Name == n.Name }); i >= 0 {
			node = nodes[i]
		} else if err := node.Check(); err != nil {
			return nil, fmt.Errorf("objects.nodes: %s: %w", n.Name, err)
		} else if err := store.AddNode(ctx, node, nil); err != nil {
			return nil, fmt.Errorf("adding storage node %s: %w", n.Name, err)
		}
		if err := h.cluster.Probe(ctx, node); err != nil {
			return nil, fmt.Errorf("objects.nodes: %s cannot be used: %w", n.Name, err)
		}
	}
	if _, err := h.db.FixSetting(ctx, settingNodes, "made"); err != nil {
		return nil, fmt.Errorf("remembering that the storage nodes were made: %w", err)
	}
	if err := h.cluster.Reload(ctx); err != nil {
		return nil, err
	}
	return store.Nodes(ctx)
}

// makeNodesFolder makes the folder of the embedded nodes, if they are among those of the first start.
func (h *house) makeNodesFolder() error {
	folder := h.folder.file(nodesFolder)
	inside := (&url.URL{Scheme: "file", Path: filepath.ToSlash(folder)}).String() + "/"
	for _, n := range h.config.Objects.Nodes {
		if strings.HasPrefix(n.URL, inside) {
			if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("making the folder of the storage nodes: %w", err)
			}
			return nil
		}
	}
	return nil
}

// ObjectInstance implements objects.Instances.
func (a instances) ObjectInstance(ctx context.Context, id objects.InstanceID) (objects.Instance, error) {
	i, err := a.h.resources.Lookup(ctx, resource.InstanceID(id))
	if err != nil {
		return objects.Instance{}, err
	}
	if i.Service != crn.ObjectStorage {
		return objects.Instance{}, errNotOurs
	}
	return objects.Instance{ID: objects.InstanceID(i.ID), Account: i.Account, CRN: i.CRN(), ResourceGroup: string(i.ResourceGroup)}, nil
}

// objectOwner is the object store, as the owner of its instances. The house has it later than resources
// that ask for it.
type objectOwner struct{ h *house }

// Prepare implements resource.Owner; an instance needs nothing before its first bucket.
func (o objectOwner) Prepare(context.Context, resource.Instance) error { return nil }

// RefuseDelete implements resource.Owner.
func (o objectOwner) RefuseDelete(ctx context.Context, i resource.Instance) error {
	return o.h.objects.RefuseDelete(ctx, objects.InstanceID(i.ID))
}

// Destroy implements resource.Owner.
func (o objectOwner) Destroy(ctx context.Context, i resource.Instance) error {
	return o.h.objects.DestroyInstance(ctx, objects.InstanceID(i.ID))
}

// openStorage opens the operator's door to the storage nodes.
func (h *house) openStorage(operator iam.AccountID) {
	h.storage = objects.NewStorage(objects.StorageConfig{
		Roster: h.db.Nodes(), Cluster: h.cluster, Store: h.db.Objects(), Decider: h.access, Log: h.audit,
		Operator: operator, Now: h.now,
	})
}

// storageOf returns the object storage instance that a caller means who names none.
func (h *house) storageOf(ctx context.Context, who iam.Caller) (objects.InstanceID, error) {
	id, err := h.resources.InstanceOf(ctx, who, crn.ObjectStorage)
	return objects.InstanceID(id), err
}
