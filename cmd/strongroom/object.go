package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func newObjectCommand(p *program) *cobra.Command {
	return newGroup("object", "Objects in buckets",
		"Objects are named BUCKET/KEY. These commands stream: an object may be larger than memory.",
		newObjectPutCommand(p), newObjectGetCommand(p), newObjectListCommand(p),
		newObjectRemoveCommand(p), newObjectCopyCommand(p), newObjectStatCommand(p))
}

// objectName is BUCKET/KEY.
type objectName struct{ bucket, key string }

func parseObject(s string) (objectName, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(s, "s3://"), "/")
	if !ok || bucket == "" || key == "" {
		return objectName{}, usageErrorf("%q is not an object: write BUCKET/KEY", s)
	}
	return objectName{bucket, key}, nil
}

// storedAs reads the name of an object, and returns a client to work on it.
func (p *program) storedAs(arg string) (*s3Client, objectName, error) {
	name, err := parseObject(arg)
	if err != nil {
		return nil, objectName{}, err
	}
	c, err := p.storage()
	return c, name, err
}

func (n objectName) String() string { return n.bucket + "/" + n.key }

func (n objectName) request(method string) s3Request {
	return s3Request{method: method, bucket: n.bucket, key: n.key}
}

// contentFlags describe what is written.
type contentFlags struct{ contentType, rootKey string }

func (f *contentFlags) header() map[string]string {
	h := map[string]string{}
	if f.contentType != "" {
		h["Content-Type"] = f.contentType
	}
	if f.rootKey != "" {
		h["X-Amz-Server-Side-Encryption"] = "aws:kms"
		h["X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"] = f.rootKey
	}
	return h
}

func newObjectPutCommand(p *program) *cobra.Command {
	var f contentFlags
	cmd := &cobra.Command{
		Use:   "put FILE BUCKET/KEY",
		Short: "Store a file as an object",
		Long:  "Store a file as an object, or what is read from standard input if FILE is -. Large files go in parts.",
		Args:  arguments("FILE", "BUCKET/KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, name, err := p.storedAs(args[1])
			if err != nil {
				return err
			}
			from, size, err := p.openInput(args[0])
			if err != nil {
				return err
			}
			defer from.Close()
			bar := p.progress("putting "+name.String(), size, true)
			err = c.put(cmd.Context(), name, f.header(), bar.reading(from), size)
			bar.end()
			if err != nil {
				return fmt.Errorf("putting %s: %w", name, err)
			}
			return p.done("stored %s", name)
		},
	}
	cmd.Flags().StringVar(&f.contentType, "content-type", "", "media type of the content")
	cmd.Flags().StringVar(&f.rootKey, "root-key", "", "`CRN` of a root key for this object in place of the bucket's")
	return cmd
}

// openInput opens a file to be read, or standard input, whose size is -1: unknown.
func (p *program) openInput(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(p.stdin), -1, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("opening the file: %w", err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, 0, fmt.Errorf("%s is not a file that can be read: %w", name, err)
	}
	return f, info.Size(), nil
}

func newObjectGetCommand(p *program) *cobra.Command {
	var version string
	cmd := &cobra.Command{
		Use:   "get BUCKET/KEY [FILE]",
		Short: "Read an object",
		Long: "Read an object into a file, which appears only when all of it is there, or to standard output without\n" +
			"FILE or with -.",
		Args: func(cmd *cobra.Command, args []string) error {
			return arguments([]string{"BUCKET/KEY", "FILE"}[:max(1, min(len(args), 2))]...)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, name, err := p.storedAs(args[0])
			if err != nil {
				return err
			}
			r := name.request(http.MethodGet)
			if version != "" {
				r.query = url.Values{"versionId": {version}}
			}
			resp, err := c.send(cmd.Context(), r)
			if err != nil {
				return fmt.Errorf("getting %s: %w", name, err)
			}
			defer resp.Body.Close()
			bar := p.progress("getting "+name.String(), resp.ContentLength, true)
			defer bar.end()
			return p.receive(bar.reading(resp.Body), append(args, "-")[1], name)
		},
	}
	cmd.Flags().StringVar(&version, "version", "", "version of the object (default: the newest)")
	return cmd
}

// receive writes content to standard output, or to a file that appears when it is complete.
func (p *program) receive(from io.Reader, file string, name objectName) error {
	if file == "-" {
		if _, err := io.Copy(p.stdout, from); err != nil {
			return fmt.Errorf("getting %s: %w", name, err)
		}
		return nil
	}
	out, err := os.CreateTemp(filepath.Dir(file), ".strongroom-*")
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	defer os.Remove(out.Name()) // does nothing once it has its name
	_, err = io.Copy(out, from)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(out.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("getting %s: %w", name, err)
	}
	return p.done("wrote %s", file)
}

// objectInfo is an object as a list shows it.
type objectInfo struct {
	Key      string `json:"key" xml:"Key"`
	Size     int64  `json:"size" xml:"Size"`
	Modified string `json:"last_modified,omitempty" xml:"LastModified"`
	ETag     string `json:"etag,omitempty" xml:"ETag"`
	Version  string `json:"version_id,omitempty" xml:"VersionId"`
	Prefix   bool   `json:"prefix,omitempty" xml:"-"` // a common prefix, not an object
}

func newObjectListCommand(p *program) *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use:   "ls BUCKET[/PREFIX]",
		Short: "List the objects of a bucket",
		Args:  arguments("BUCKET[/PREFIX]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.storage()
			if err != nil {
				return err
			}
			bucket, prefix, _ := strings.Cut(strings.TrimPrefix(args[0], "s3://"), "/")
			all, err := c.list(cmd.Context(), bucket, prefix, recursive)
			if err != nil {
				return fmt.Errorf("listing %s: %w", args[0], err)
			}
			return printRows(p, all, []column[objectInfo]{
				{"MODIFIED", func(o objectInfo) string { return shortTime(o.Modified) }},
				{"SIZE", objectInfo.size},
				{"KEY", func(o objectInfo) string { return o.Key }},
			})
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "list every object below the prefix")
	return cmd
}

func (o objectInfo) size() string {
	if o.Prefix {
		return "prefix"
	}
	return byteSize(o.Size)
}

// list returns the objects and, unless recursive, the common prefixes of a bucket.
func (c *s3Client) list(ctx context.Context, bucket, prefix string, recursive bool) (all []objectInfo, err error) {
	query := url.Values{"list-type": {"2"}, "prefix": {prefix}, "encoding-type": {"url"}}
	if !recursive {
		query.Set("delimiter", "/")
	}
	for {
		var page struct {
			Contents []objectInfo `xml:"Contents"`
			Prefixes []string     `xml:"CommonPrefixes>Prefix"`
			Next     string       `xml:"NextContinuationToken"`
		}
		if _, err := c.call(ctx, s3Request{method: http.MethodGet, bucket: bucket, query: query}, &page); err != nil {
			return nil, err
		}
		for _, p := range page.Prefixes {
			page.Contents = append(page.Contents, objectInfo{Key: p, Prefix: true})
		}
		for _, o := range page.Contents {
			if o.Key, err = url.QueryUnescape(o.Key); err != nil {
				return nil, fmt.Errorf("the server's answer has a key that is not encoded: %w", err)
			}
			all = append(all, o)
		}
		if page.Next == "" {
			return all, nil
		}
		query.Set("continuation-token", page.Next)
	}
}

func newObjectRemoveCommand(p *program) *cobra.Command {
	var version string
	cmd := &cobra.Command{
		Use:   "rm BUCKET/KEY...",
		Short: "Remove objects",
		Long:  "Remove objects. In a bucket that keeps versions the older ones stay, unless --version names one.",
		Args:  argumentsAndMore("BUCKET/KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if version != "" && len(args) > 1 {
				return usageErrorf("--version is for one object")
			}
			c, err := p.storage()
			if err != nil {
				return err
			}
			for _, arg := range args {
				name, err := parseObject(arg)
				if err != nil {
					return err
				}
				r := name.request(http.MethodDelete)
				if version != "" {
					r.query = url.Values{"versionId": {version}}
				}
				if _, err := c.call(cmd.Context(), r, nil); err != nil {
					return fmt.Errorf("removing %s: %w", name, err)
				}
				if err := p.done("removed %s", name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&version, "version", "", "version to remove for good")
	return cmd
}

func newObjectCopyCommand(p *program) *cobra.Command {
	var f contentFlags
	cmd := &cobra.Command{
		Use:   "cp FROM TO",
		Short: "Copy an object on the server",
		Args:  arguments("FROM", "TO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := parseObject(args[0])
			if err != nil {
				return err
			}
			to, err := parseObject(args[1])
			if err != nil {
				return err
			}
			c, err := p.storage()
			if err != nil {
				return err
			}
			r := to.request(http.MethodPut)
			r.header = f.header()
			r.header["X-Amz-Copy-Source"] = "/" + url.PathEscape(from.bucket) + "/" + escapeKey(from.key)
			resp, err := c.send(cmd.Context(), r)
			if err == nil {
				defer resp.Body.Close()
				err = copyFailed(resp)
			}
			if err != nil {
				return fmt.Errorf("copying %s: %w", from, err)
			}
			return p.done("copied %s to %s", from, to)
		},
	}
	cmd.Flags().StringVar(&f.rootKey, "root-key", "", "`CRN` of a root key for the copy in place of the bucket's")
	return cmd
}

func newObjectStatCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "stat BUCKET/KEY",
		Short: "Show an object",
		Args:  arguments("BUCKET/KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, name, err := p.storedAs(args[0])
			if err != nil {
				return err
			}
			resp, err := c.send(cmd.Context(), name.request(http.MethodHead))
			if err != nil {
				return fmt.Errorf("reading %s: %w", name, err)
			}
			defer resp.Body.Close()
			o := objectInfo{
				Key: name.key, Size: resp.ContentLength, Modified: httpTime(resp.Header.Get("Last-Modified")),
				ETag: strings.Trim(resp.Header.Get("ETag"), `"`), Version: resp.Header.Get("X-Amz-Version-Id"),
			}
			if p.flags.output == outputJSON {
				return p.printJSON(o)
			}
			return printOne(p, record[objectInfo]{fields: o}, []column[objectInfo]{
				{"KEY", func(o objectInfo) string { return o.Key }},
				{"SIZE", func(o objectInfo) string { return fmt.Sprintf("%d bytes", o.Size) }},
				{"MODIFIED", func(o objectInfo) string { return shortTime(o.Modified) }},
				{"ETAG", func(o objectInfo) string { return o.ETag }},
				{"VERSION", func(o objectInfo) string { return o.Version }},
				{"CONTENT TYPE", func(objectInfo) string { return resp.Header.Get("Content-Type") }},
			})
		},
	}
}
