package dispersal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"

	"strongroom/objects"
)

// Keys in the bucket of a node: the mark has the same name as in a folder, and slices are below
// slicesPrefix, so that a bucket may hold other things as well.
const slicesPrefix = slicesFolder + "/"

// partSize is how much of a slice is held in memory until it is sent, in bytes, and partsAtOnce how many
// such parts are under way. Slices up to this size are sent in one request.
const (
	partSize    = 5 << 20
	partsAtOnce = 2
)

// Bucket is a SliceStore in a bucket of an object store that speaks S3.
type Bucket struct {
	bucket *blob.Bucket
	id     objects.NodeID
}

// NewBucket returns the store of a node in an open bucket, which it closes.
func NewBucket(b *blob.Bucket, id objects.NodeID) *Bucket { return &Bucket{b, id} }

// bucketURL is what the URL of an s3 node says.
type bucketURL struct {
	bucket, endpoint, region, prefix, profile string

	pathStyle bool // the bucket is in the path and not in the host's name
	checksums bool // ask for checksums that not every store knows
}

// parseBucketURL reads the URL of an s3 node. Its parameters are those of gocloud.dev: endpoint, region,
// prefix, profile, use_path_style (true by default with an endpoint) and request_checksum_calculation.
func parseBucketURL(u *url.URL) (bucketURL, error) {
	b := bucketURL{bucket: u.Host, region: "us-east-1"}
	if u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return b, objects.ErrNode.On("url", "a bucket is given as s3://bucket?endpoint=…&region=…, without credentials")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return b, objects.ErrNode.On("url", "its parameters cannot be read")
	}
	b.pathStyle = q.Get("endpoint") != ""
	for name, values := range q {
		value := values[0]
		if len(values) > 1 {
			return b, objects.ErrNode.On("url", fmt.Sprintf("parameter %q is repeated", name))
		}
		var err error
		switch name {
		case "endpoint":
			b.endpoint, err = value, checkEndpoint(value)
		case "region":
			b.region = value
		case "prefix":
			b.prefix = value
		case "profile":
			b.profile = value
		case "use_path_style":
			b.pathStyle, err = strconv.ParseBool(value)
		case "request_checksum_calculation":
			b.checksums = value == "when_supported"
			if !b.checksums && value != "when_required" {
				err = errors.New("neither when_supported nor when_required")
			}
		default:
			err = errors.New("it is not known")
		}
		if err != nil {
			return b, objects.ErrNode.On("url", fmt.Sprintf("parameter %q: %v", name, err))
		}
	}
	return b, nil
}

func checkEndpoint(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("an endpoint is given as https://host or http://host")
	}
	return nil
}

// openBucket opens the bucket of an s3 node. Nothing but the URL and the file of credentials decides who
// it is opened as: no environment, no other file, no metadata service.
func openBucket(ctx context.Context, u *url.URL, n objects.Node) (*Bucket, error) {
	at, err := parseBucketURL(u)
	if err != nil {
		return nil, err
	}
	cfg := aws.Config{
		Region:                     at.region,
		Credentials:                aws.AnonymousCredentials{},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if at.checksums {
		cfg.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	}
	if at.endpoint != "" {
		cfg.BaseEndpoint = &at.endpoint
	}
	if n.CredentialsFile != "" {
		shared, err := config.LoadSharedConfigProfile(ctx, or(at.profile, "default"), func(o *config.LoadSharedConfigOptions) {
			o.CredentialsFiles, o.ConfigFiles = []string{n.CredentialsFile}, []string{}
		})
		if err != nil {
			return nil, fmt.Errorf("credentials of node %s: %w", n.Name, err)
		}
		cfg.Credentials = credentials.StaticCredentialsProvider{Value: shared.Credentials}
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = at.pathStyle })
	b, err := s3blob.OpenBucket(ctx, client, at.bucket, &s3blob.Options{RequestChecksumCalculation: cfg.RequestChecksumCalculation})
	if err != nil {
		return nil, fmt.Errorf("bucket of node %s: %w", n.Name, err)
	}
	if at.prefix != "" {
		b = blob.PrefixedBucket(b, at.prefix)
	}
	return NewBucket(b, n.ID), nil
}

func (b *Bucket) key(name SliceName) string { return slicesPrefix + name.String() }

// Mark implements SliceStore.
func (b *Bucket) Mark(ctx context.Context, id objects.NodeID) error {
	return b.bucket.WriteAll(ctx, markFile, []byte(string(id)+"\n"), options())
}

// Owner implements SliceStore.
func (b *Bucket) Owner(ctx context.Context) (objects.NodeID, error) {
	r, err := b.bucket.NewRangeReader(ctx, markFile, 0, markSize, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	return objects.NodeID(strings.TrimSpace(string(text))), err
}

// Check implements SliceStore.
func (b *Bucket) Check(ctx context.Context) error {
	switch owner, err := b.Owner(ctx); {
	case err != nil:
		return err
	case owner == "":
		return fmt.Errorf("%w: the bucket is not there, or has no mark", ErrAway)
	case owner != b.id:
		return fmt.Errorf("%w: the bucket is that of node %s", ErrAway, owner)
	}
	return nil
}

// absent translates what the library says of an object that is not there, and makes sure of it.
func (b *Bucket) absent(ctx context.Context, err error) error {
	if gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	if away := b.Check(ctx); away != nil {
		return away
	}
	return fmt.Errorf("%w in the bucket", fs.ErrNotExist)
}

func options() *blob.WriterOptions {
	return &blob.WriterOptions{ContentType: "application/octet-stream", BufferSize: partSize, MaxConcurrency: partsAtOnce}
}

// Create implements SliceStore.
func (b *Bucket) Create(ctx context.Context, name SliceName) (SliceWriter, error) {
	ctx, cancel := context.WithCancel(ctx)
	w, err := b.bucket.NewWriter(ctx, b.key(name), options())
	if err != nil {
		cancel()
		return nil, err
	}
	return &bucketWriter{w: w, cancel: cancel}, nil
}

// bucketWriter uploads as it is written to.
type bucketWriter struct {
	w      *blob.Writer
	cancel context.CancelFunc
	done   bool
}

func (w *bucketWriter) Write(p []byte) (int, error) { return w.w.Write(p) }

// Commit implements SliceWriter.
func (w *bucketWriter) Commit() error {
	if w.done {
		return fs.ErrClosed
	}
	w.done = true
	defer w.cancel()
	return w.w.Close()
}

// Abort implements SliceWriter. A writer that is closed after its context ended leaves no object.
func (w *bucketWriter) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.cancel()
	_ = w.w.Close() // says that the context has ended
}

// ReadAt implements SliceStore.
func (b *Bucket) ReadAt(ctx context.Context, name SliceName, p []byte, off int64) error {
	r, err := b.bucket.NewRangeReader(ctx, b.key(name), off, int64(len(p)), nil)
	if err != nil {
		return b.short(ctx, name, off, b.absent(ctx, err))
	}
	defer r.Close()
	if _, err := io.ReadFull(r, p); err == io.EOF {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return nil
}

// short tells a range beyond the end of a file, which every store refuses in its own words, from other
// failures.
func (b *Bucket) short(ctx context.Context, name SliceName, off int64, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrAway) || ctx.Err() != nil {
		return err
	}
	if a, stat := b.bucket.Attributes(ctx, b.key(name)); stat == nil && a.Size <= off {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Remove implements SliceStore.
func (b *Bucket) Remove(ctx context.Context, name SliceName) error {
	// S3 says the same whether there was an object or not.
	err := b.bucket.Delete(ctx, b.key(name))
	if err = b.absent(ctx, err); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// List implements SliceStore.
func (b *Bucket) List(ctx context.Context, each func(SliceInfo) error) error {
	if err := b.Check(ctx); err != nil {
		return err
	}
	for it := b.bucket.List(&blob.ListOptions{Prefix: slicesPrefix}); ; {
		o, err := it.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := ParseSliceName(strings.TrimPrefix(o.Key, slicesPrefix))
		if err != nil {
			continue // not ours
		}
		if err := each(SliceInfo{Name: name, Size: o.Size, Modified: o.ModTime}); err != nil {
			return err
		}
	}
}

// Sweep implements SliceStore. Uploads that were not finished are invisible to the library: a lifecycle
// rule of the bucket that aborts them after a day removes those that a crash left.
func (b *Bucket) Sweep(context.Context, time.Time) error { return nil }

// Space implements SliceStore: buckets do not tell.
func (b *Bucket) Space(ctx context.Context) (capacity, free int64, err error) {
	return 0, 0, b.Check(ctx)
}

// Close implements SliceStore.
func (b *Bucket) Close() error { return b.bucket.Close() }
