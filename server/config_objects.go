package server

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"time"

	"strongroom/crn"
	"strongroom/objects"
)

// Objects says how the object store keeps objects, and limits what it is used for.
type Objects struct {
	// Nodes are the storage nodes that the first start begins with; later ones are added with
	// "strongroom node add". Default: six folders, nodes/1 to nodes/6, in the data folder.
	Nodes []StorageNode `yaml:"nodes"`
	// Profiles say how objects are dispersed, the first whose locations match a bucket's location
	// constraint when the bucket is made. Buckets that match none are dispersed by the number of
	// nodes at the start: 8 of 12, 4 of 6 or 2 of 3 slices, or copies on fewer than three nodes.
	Profiles []DispersalProfile `yaml:"profiles"`
	// EmbedKiB is up to which size content is kept in the database, encrypted but not dispersed, in
	// place of a file for each slice. Default 64, at most 1024; 0 in the file, or -1, embeds nothing.
	EmbedKiB int `yaml:"embed_kib"`

	MaxBuckets  int           `yaml:"max_buckets"`  // of an instance; default 100, as IBM's
	NameWait    time.Duration `yaml:"name_wait"`    // how long the name of a deleted bucket stays reserved; default 0, IBM's is 5m
	StrictNames bool          `yaml:"strict_names"` // refuse consecutive dashes in bucket names, as IBM does

	ScrubMiB   int `yaml:"scrub_mib"`   // MiB a second that are verified in the background; default 16
	RebuildMiB int `yaml:"rebuild_mib"` // MiB a second that are rebuilt or moved between nodes; default 64

	// KeyService is another key service in place of this server's own, for the root keys of customers.
	KeyService *KeyService `yaml:"key_service"`
}

// StorageNode is a storage node of the first start.
type StorageNode struct {
	Name string `yaml:"name"`
	Site string `yaml:"site"` // nodes of one site fail together; default "local"
	// URL is an absolute folder as file:///srv/strongroom/1, or a bucket of another object store as
	// s3://bucket?endpoint=https://s3.example.com&region=us-east-1.
	URL string `yaml:"url"`
	// CredentialsFile is a file in the form of AWS's shared credentials, for s3 nodes.
	CredentialsFile string `yaml:"credentials_file"`
}

// DispersalProfile says how objects are dispersed.
type DispersalProfile struct {
	Name      string   `yaml:"name"`
	Locations []string `yaml:"locations"` // patterns of location constraints, such as "us-*" or "*-vault"
	Data      int      `yaml:"data"`      // slices that are enough to read
	Total     int      `yaml:"total"`     // slices that there are
	Write     int      `yaml:"write"`     // slices that must be durable before a write is acknowledged; default data+1
	// AllOrNothing hides everything from who has fewer than data slices, even with the object's key.
	// Default: true when the nodes are in more than one site.
	AllOrNothing *bool `yaml:"all_or_nothing"`
}

// KeyService is a key service elsewhere.
type KeyService struct {
	URL        string        `yaml:"url"`          // of its API
	TokenURL   string        `yaml:"token_url"`    // of its tokens; default URL/identity/token
	APIKeyFile string        `yaml:"api_key_file"` // with the API key of an identity that may use the root keys
	CAFile     string        `yaml:"ca_file"`      // authority of its certificate; default the system's
	Kind       string        `yaml:"kind"`         // strongroom: key states hold within a second; ibm: they are polled
	Poll       time.Duration `yaml:"poll"`         // of key states, for kind ibm; default 30s
	// Instance is the CRN of an object storage instance at that service, for kind strongroom: its
	// authorizations there decide which keys can be used. The identity of the API key needs the role
	// Instance Actor on it.
	Instance string `yaml:"instance"`
	// Accounts are the accounts of this server whose buckets may use it. Default: the one of the first start.
	Accounts []string `yaml:"accounts"`
}

// The embedded storage nodes: so many folders below one in the data folder.
const (
	localSite   = "local"
	nodesFolder = "nodes"
	folderNodes = 6
)

func (o *Objects) complete(data string) error {
	if len(o.Nodes) == 0 {
		for i := 1; i <= folderNodes; i++ {
			folder := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(data, nodesFolder, fmt.Sprint(i)))}
			o.Nodes = append(o.Nodes, StorageNode{Name: fmt.Sprintf("local-%d", i), URL: folder.String()})
		}
	}
	for i := range o.Nodes {
		def(&o.Nodes[i].Site, localSite)
	}
	for i := range o.Profiles {
		def(&o.Profiles[i].Write, min(o.Profiles[i].Data+1, o.Profiles[i].Total))
	}
	def(&o.EmbedKiB, 64)
	def(&o.MaxBuckets, 100)
	def(&o.ScrubMiB, 16)
	def(&o.RebuildMiB, 64)
	if s := o.KeyService; s != nil {
		def(&s.TokenURL, s.URL+"/identity/token")
		def(&s.Poll, 30*time.Second)
	}
	return o.check()
}

func (o *Objects) check() error {
	names := map[string]bool{}
	var errs []error
	for i, n := range o.Nodes {
		field := fmt.Sprintf("objects.nodes[%d]", i)
		if names[n.Name] || n.Name == "" {
			errs = append(errs, fmt.Errorf("%s.name: %q is missing or used twice", field, n.Name))
		}
		names[n.Name] = true
		errs = append(errs, name(field+".name", n.Name), name(field+".site", n.Site))
	}
	for i, p := range o.Profiles {
		errs = append(errs, p.check(fmt.Sprintf("objects.profiles[%d]", i)))
	}
	if o.EmbedKiB < -1 || o.EmbedKiB > 1024 {
		errs = append(errs, errors.New("objects.embed_kib: must be from -1 to 1024"))
	}
	errs = append(errs, positive("objects.max_buckets", int64(o.MaxBuckets)), positive("objects.name_wait", int64(o.NameWait)),
		positive("objects.scrub_mib", int64(o.ScrubMiB)), positive("objects.rebuild_mib", int64(o.RebuildMiB)))
	if s := o.KeyService; s != nil {
		errs = append(errs, origin("objects.key_service.url", s.URL), oneOf("objects.key_service.kind", s.Kind, "strongroom", "ibm"))
		if s.URL == "" || s.APIKeyFile == "" {
			errs = append(errs, errors.New("objects.key_service: url and api_key_file have to be set"))
		}
		if is, err := crn.Parse(s.Instance); s.Kind == "strongroom" && (err != nil || !is.IsInstance() || is.Service != crn.ObjectStorage) {
			errs = append(errs, errors.New("objects.key_service.instance: must be the CRN of an object storage instance"))
		}
	}
	return errors.Join(errs...)
}

func (p DispersalProfile) check(field string) error {
	if err := name(field+".name", p.Name); err != nil {
		return err
	}
	const mostData, mostTotal = 32, 64
	if p.Name == "" || p.Data < 1 || p.Data > mostData || p.Total < p.Data || p.Total > mostTotal || p.Write < p.Data || p.Write > p.Total {
		return fmt.Errorf("%s: it needs a name, data from 1 to %d, total from data to %d and write from data to total", field, mostData, mostTotal)
	}
	for _, l := range p.Locations {
		if _, err := path.Match(l, ""); err != nil {
			return fmt.Errorf("%s.locations: %q is no pattern", field, l)
		}
	}
	return nil
}

// profiles returns the configured profiles and the one that fits the number of nodes, and which of
// them a location constraint asks for.
func (o *Objects) profiles(nodes []objects.Node) (list []objects.Profile, choose func(location string) string) {
	sites := map[string]bool{}
	active := 0
	for _, n := range nodes {
		if n.State == objects.NodeActive {
			sites[n.Site] = true
			active++
		}
	}
	spread := len(sites) > 1
	list = []objects.Profile{fitting(active, spread)}
	for _, nodes := range []int{12, 6, 3, 2, 1} { // buckets keep the profile that fitted when they were made
		if p := fitting(nodes, spread); p.Name != list[0].Name {
			list = append(list, p)
		}
	}
	for _, p := range o.Profiles {
		aont := spread
		if p.AllOrNothing != nil {
			aont = *p.AllOrNothing
		}
		list = append(list, objects.Profile{Name: p.Name, Data: p.Data, Total: p.Total, Write: p.Write, AllOrNothing: aont})
	}
	return list, func(location string) string {
		for _, p := range o.Profiles {
			for _, pattern := range p.Locations {
				if ok, err := path.Match(pattern, location); err == nil && ok {
					return p.Name
				}
			}
		}
		return list[0].Name
	}
}

// fitting is the profile for so many nodes.
func fitting(nodes int, spread bool) objects.Profile {
	p := objects.Profile{AllOrNothing: spread}
	switch {
	case nodes >= 12:
		p.Data, p.Total, p.Write = 8, 12, 10
	case nodes >= 6:
		p.Data, p.Total, p.Write = 4, 6, 5
	case nodes >= 3:
		p.Data, p.Total, p.Write = 2, 3, 3
	default:
		p.Data, p.Total, p.Write = 1, max(nodes, 1), max(nodes, 1)
		p.AllOrNothing = false // one slice is everything
	}
	p.Name = fmt.Sprintf("%d-of-%d", p.Data, p.Total)
	return p
}

// domains are those below which each bucket has a host name of its own.
func (c *Config) domains() []string { return given(c.S3Domain) }

// websiteDomains are the domains below which buckets are served as websites.
func (c *Config) websiteDomains() []string { return given(c.WebsiteDomain) }

// given is a list of one domain, or of none.
func given(domain string) []string {
	if domain == "" {
		return nil
	}
	return []string{domain}
}
