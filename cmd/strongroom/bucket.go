package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"strongroom/crn"
)

func newBucketCommand(p *program) *cobra.Command {
	return newGroup("bucket", "Buckets of the object store",
		"Buckets hold objects, encrypted and dispersed over storage nodes. A bucket can be locked with a root\n"+
			"key of yours: while that key is disabled nothing in it can be read, and when it is deleted, never\n"+
			"again. The object storage instance needs an authorization to use the key.",
		newBucketCreateCommand(p), newBucketListCommand(p), newBucketShowCommand(p), newBucketConfigCommand(p),
		newBucketRewrapCommand(p), newBucketRekeyCommand(p), newBucketVerifyCommand(p), newBucketJobsCommand(p), newBucketDeleteCommand(p))
}

// storageInstance returns the GUID of the object storage instance that ref names; when ref is empty,
// that of the environment or the only one there is.
func (p *program) storageInstance(ctx context.Context, c *connection, ref string) (string, error) {
	ref = firstOf(ref, p.getenv(envCOSInstance))
	if guid := instanceGUID(ref); guid != "" {
		return guid, nil
	}
	if ref != "" {
		return serviceInstance(ctx, c, crn.ObjectStorage, ref)
	}
	all, err := listInstances(ctx, c, crn.ObjectStorage, url.Values{})
	if err != nil {
		return "", err
	}
	if len(all) != 1 {
		return "", withHint(fmt.Errorf("there are %d object storage instances", len(all)), "name one with --instance")
	}
	return all[0].fields.GUID, nil
}

// createConfiguration is the body of the creation of a bucket.
type createConfiguration struct {
	XMLName  xml.Name `xml:"CreateBucketConfiguration"`
	Location string   `xml:"LocationConstraint"`
}

func newBucketCreateCommand(p *program) *cobra.Command {
	var instance, location, root string
	var lock bool
	cmd := &cobra.Command{
		Use:   "create BUCKET [--root-key CRN]",
		Short: "Make a bucket",
		Long: "Make a bucket. With --root-key its objects can be read only by who may use that key: name it by its\n" +
			"CRN. The key then shows the bucket among its registrations, and cannot be deleted without force.",
		Example: "  strongroom bucket create invoices --root-key \"$(strongroom key show app --output json | jq -r .crn)\"",
		Args:    arguments("BUCKET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.storage()
			if err != nil {
				return err
			}
			guid, err := p.storageInstance(cmd.Context(), c.connection, instance)
			if err != nil {
				return err
			}
			header := map[string]string{"Ibm-Service-Instance-Id": guid}
			if root != "" {
				header["Ibm-Sse-Kp-Encryption-Algorithm"] = "AES256"
				header["Ibm-Sse-Kp-Customer-Root-Key-Crn"] = root
			}
			if lock {
				header["X-Amz-Bucket-Object-Lock-Enabled"] = "true"
			}
			r := s3Request{method: http.MethodPut, bucket: args[0], header: header}
			if location != "" {
				body, err := xml.Marshal(createConfiguration{Location: location})
				if err != nil {
					return fmt.Errorf("encoding the request: %w", err)
				}
				r.body, r.size = strings.NewReader(string(body)), int64(len(body))
			}
			if _, err := c.call(cmd.Context(), r, nil); err != nil {
				return fmt.Errorf("creating bucket %s: %w", args[0], err)
			}
			return p.done("created bucket %s", args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&instance, "instance", "", "object storage instance: GUID, CRN or name (default: STRONGROOM_COS_INSTANCE_ID, else the only one)")
	flags.StringVar(&location, "location", "", "location and storage class, such as us-south-standard (default: the server's)")
	flags.StringVar(&root, "root-key", "", "`CRN` of the root key that locks the bucket (default: the provider's)")
	flags.BoolVar(&lock, "object-lock", false, "make it with Object Lock, which keeps versions from being deleted")
	return cmd
}

// bucketInfo is a bucket as a list shows it.
type bucketInfo struct {
	Name     string `json:"name" xml:"Name"`
	Created  string `json:"created_at" xml:"CreationDate"`
	Location string `json:"location" xml:"LocationConstraint"`
}

func newBucketListCommand(p *program) *cobra.Command {
	var instance string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the buckets of an object storage instance",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.storage()
			if err != nil {
				return err
			}
			guid, err := p.storageInstance(cmd.Context(), c.connection, instance)
			if err != nil {
				return err
			}
			all, err := c.buckets(cmd.Context(), guid)
			if err != nil {
				return err
			}
			return printRows(p, all, []column[bucketInfo]{
				{"BUCKET", func(b bucketInfo) string { return b.Name }},
				{"LOCATION", func(b bucketInfo) string { return b.Location }},
				{"CREATED", func(b bucketInfo) string { return shortTime(b.Created) }},
			})
		},
	}
	cmd.Flags().StringVar(&instance, "instance", "", "object storage instance: GUID, CRN or name (default: STRONGROOM_COS_INSTANCE_ID, else the only one)")
	return cmd
}

// buckets returns all buckets of an instance.
func (c *s3Client) buckets(ctx context.Context, instance string) (all []bucketInfo, err error) {
	for marker := ""; ; {
		var page struct {
			Truncated bool         `xml:"IsTruncated"`
			Buckets   []bucketInfo `xml:"Buckets>Bucket"`
		}
		_, err := c.call(ctx, s3Request{
			method: http.MethodGet, query: url.Values{"extended": {""}, "marker": {marker}},
			header: map[string]string{"Ibm-Service-Instance-Id": instance},
		}, &page)
		if err != nil {
			return nil, fmt.Errorf("listing the buckets: %w", err)
		}
		all = append(all, page.Buckets...)
		if !page.Truncated || len(page.Buckets) == 0 {
			return all, nil
		}
		marker = page.Buckets[len(page.Buckets)-1].Name
	}
}

// printRows is printList for what did not come as JSON.
func printRows[T any](p *program, items []T, columns []column[T]) error {
	if p.flags.output == outputJSON {
		if items == nil {
			items = []T{}
		}
		return p.printJSON(items)
	}
	wrapped := make([]record[T], len(items))
	for i, item := range items {
		wrapped[i].fields = item
	}
	return printList(p, wrapped, columns)
}

// bucketConfig is the configuration of a bucket, as the resource configuration API has it.
type bucketConfig struct {
	Name     string `json:"name"`
	CRN      string `json:"crn"`
	Instance string `json:"service_instance_id"`
	Created  string `json:"time_created"`
	Updated  string `json:"time_updated"`
	Objects  int64  `json:"object_count"`
	Bytes    int64  `json:"bytes_used"`
	Quota    int64  `json:"hard_quota"`
	Firewall *struct {
		Allowed []string `json:"allowed_ip"`
	} `json:"firewall"`
}

func newBucketShowCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "show BUCKET",
		Short: "Show a bucket: its root key, usage and limits",
		Args:  arguments("BUCKET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.storage()
			if err != nil {
				return err
			}
			head, err := c.call(cmd.Context(), s3Request{method: http.MethodHead, bucket: args[0]}, nil)
			if err != nil {
				return fmt.Errorf("reading bucket %s: %w", args[0], err)
			}
			var b record[bucketConfig]
			if err := c.get(cmd.Context(), path("/v1/b", args[0]), nil, &b); err != nil {
				return fmt.Errorf("reading the configuration of bucket %s: %w", args[0], err)
			}
			root := firstOf(head.Get("Ibm-Sse-Kp-Customer-Root-Key-Crn"), "the provider's")
			return printOne(p, b, []column[bucketConfig]{
				{"BUCKET", func(b bucketConfig) string { return b.Name }},
				{"ROOT KEY", func(bucketConfig) string { return root }},
				{"OBJECTS", func(b bucketConfig) string { return fmt.Sprint(b.Objects) }},
				{"SIZE", func(b bucketConfig) string { return byteSize(b.Bytes) }},
				{"QUOTA", func(b bucketConfig) string { return quotaText(b.Quota) }},
				{"ALLOWED ADDRESSES", func(b bucketConfig) string { return b.firewall() }},
				{"CREATED", func(b bucketConfig) string { return shortTime(b.Created) }},
				{"CRN", func(b bucketConfig) string { return b.CRN }},
			})
		},
	}
}

func quotaText(n int64) string {
	if n == 0 {
		return "none"
	}
	return byteSize(n)
}

func (b bucketConfig) firewall() string {
	if b.Firewall == nil {
		return "all"
	}
	return strings.Join(b.Firewall.Allowed, ", ")
}

func newBucketConfigCommand(p *program) *cobra.Command {
	var quota int64
	var allowed []string
	var anywhere, opaque bool
	var versioning string
	cmd := &cobra.Command{
		Use:   "config BUCKET",
		Short: "Change quota, allowed addresses, versioning or ETags of a bucket",
		Example: "  strongroom bucket config invoices --quota 10000000000\n" +
			"  strongroom bucket config invoices --allow 10.0.0.0/8 --allow 192.0.2.7",
		Args: arguments("BUCKET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			patch := map[string]any{}
			if cmd.Flags().Changed("quota") {
				patch["hard_quota"] = quota
			}
			switch {
			case anywhere:
				patch["firewall"] = map[string]any{}
			case len(allowed) > 0:
				patch["firewall"] = map[string]any{"allowed_ip": allowed}
			}
			changed := cmd.Flags().Changed("opaque-etags")
			if len(patch) == 0 && versioning == "" && !changed {
				return usageErrorf("nothing to change: give --quota, --allow, --allow-anywhere, --versioning or --opaque-etags")
			}
			c, err := p.storage()
			if err != nil {
				return err
			}
			if versioning != "" {
				if err := c.setVersioning(cmd.Context(), args[0], versioning); err != nil {
					return err
				}
			}
			if changed {
				r := request{method: http.MethodPatch, path: bucketPath(args[0], ""), body: map[string]bool{"opaque_etags": opaque}}
				if err := c.do(cmd.Context(), r, nil); err != nil {
					return fmt.Errorf("setting the ETags of bucket %s: %w", args[0], err)
				}
			}
			if len(patch) > 0 {
				r := request{method: http.MethodPatch, path: path("/v1/b", args[0]), body: patch}
				if err := c.do(cmd.Context(), r, nil); err != nil {
					return fmt.Errorf("configuring bucket %s: %w", args[0], err)
				}
			}
			return p.done("configured bucket %s", args[0])
		},
	}
	flags := cmd.Flags()
	flags.Int64Var(&quota, "quota", 0, "most that it may hold, in `BYTES`; 0 for no limit")
	flags.StringArrayVar(&allowed, "allow", nil, "`ADDRESS` or CIDR from which it may be reached; repeat for more")
	flags.BoolVar(&anywhere, "allow-anywhere", false, "let it be reached from every address")
	flags.BoolVar(&opaque, "opaque-etags", false, "show ETags from which nothing follows about the content; =false shows the usual ones")
	flags.StringVar(&versioning, "versioning", "", "keep old versions of objects: enabled or suspended")
	oneOf(cmd, "versioning", "enabled", "suspended")
	cmd.MarkFlagsMutuallyExclusive("allow", "allow-anywhere")
	return cmd
}

// versioningStatus gives each value of --versioning its name on the wire.
func versioningStatus(flag string) (string, bool) {
	status, ok := map[string]string{"enabled": "Enabled", "suspended": "Suspended"}[flag]
	return status, ok
}

func (c *s3Client) setVersioning(ctx context.Context, bucket, flag string) error {
	status, ok := versioningStatus(flag)
	if !ok {
		return usageErrorf("--versioning is %q: it can be enabled or suspended", flag)
	}
	body := "<VersioningConfiguration><Status>" + status + "</Status></VersioningConfiguration>"
	_, err := c.call(ctx, s3Request{
		method: http.MethodPut, bucket: bucket, query: url.Values{"versioning": {""}},
		body: strings.NewReader(body), size: int64(len(body)),
	}, nil)
	if err != nil {
		return fmt.Errorf("setting the versioning of bucket %s: %w", bucket, err)
	}
	return nil
}

func newBucketDeleteCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "delete BUCKET",
		Short: "Delete an empty bucket",
		Args:  arguments("BUCKET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.storage()
			if err != nil {
				return err
			}
			if _, err := c.call(cmd.Context(), s3Request{method: http.MethodDelete, bucket: args[0]}, nil); err != nil {
				return fmt.Errorf("deleting bucket %s: %w", args[0], err)
			}
			return p.done("deleted bucket %s", args[0])
		},
	}
}
