package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// jobPause is how long a command waits before it asks again how far a job has come.
const jobPause = 500 * time.Millisecond

// bucketJob is work on a bucket in the background as this program shows it.
type bucketJob struct {
	ID       string   `json:"id"`
	Bucket   string   `json:"bucket"`
	Kind     string   `json:"kind"`
	State    string   `json:"state"`
	Done     int64    `json:"objects_done"`
	Total    int64    `json:"objects_total"`
	Bytes    int64    `json:"bytes"`
	Bad      int64    `json:"objects_bad"`
	Findings []string `json:"findings"`
	Created  string   `json:"created_at"`
}

func jobColumns() []column[bucketJob] {
	return []column[bucketJob]{
		{"JOB", func(j bucketJob) string { return j.ID }},
		{"KIND", func(j bucketJob) string { return j.Kind }},
		{"STATE", func(j bucketJob) string { return j.State }},
		{"OBJECTS", func(j bucketJob) string { return fmt.Sprintf("%d of %d", j.Done, j.Total) }},
		{"BYTES", func(j bucketJob) string { return byteSize(j.Bytes) }},
		{"BAD", func(j bucketJob) string { return fmt.Sprint(j.Bad) }},
		{"BEGUN", func(j bucketJob) string { return shortTime(j.Created) }},
	}
}

func bucketPath(bucket, rest string) string { return path("/strongroom/v1/buckets", bucket) + rest }

func newBucketRewrapCommand(p *program) *cobra.Command {
	var detach bool
	cmd := &cobra.Command{
		Use:   "rewrap BUCKET",
		Short: "Wrap the keys of a bucket by the newest version of its root key",
		Long: "Wrap the keys of a bucket by the newest version of the same root key. Objects are not touched. It also\n" +
			"happens by itself soon after a root key was rotated.",
		Args: arguments("BUCKET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.runJob(cmd.Context(), args[0], "/rewrap", struct{}{}, detach)
		},
	}
	detached(cmd, &detach)
	return cmd
}

func newBucketRekeyCommand(p *program) *cobra.Command {
	var root string
	var provider, reencrypt, detach bool
	cmd := &cobra.Command{
		Use:   "rekey BUCKET (--root-key CRN | --provider-key) [--reencrypt]",
		Short: "Move a bucket to another root key",
		Long: "Move a bucket that is in use to another root key, or to the provider's. The bucket gets a new key, and\n" +
			"the keys of all objects are sealed anew; the content stays as it is. Who held the former root key, and\n" +
			"kept copies of what it wrapped, could still read objects of that time: only --reencrypt, which writes\n" +
			"every object again under new keys, protects them. Reads and writes go on meanwhile.",
		Args: arguments("BUCKET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"reencrypt": reencrypt}
			if provider {
				body["provider_key"] = true
			} else {
				body["root_key_crn"] = root
			}
			if err := p.runJob(cmd.Context(), args[0], "/rekey", body, detach); err != nil {
				return err
			}
			if !reencrypt && p.flags.output != outputJSON {
				fmt.Fprintln(p.stderr, "objects keep their data keys: only --reencrypt protects them from who held the former root key and copies")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&root, "root-key", "", "`CRN` of the new root key")
	flags.BoolVar(&provider, "provider-key", false, "move the bucket to the provider's key")
	flags.BoolVar(&reencrypt, "reencrypt", false, "write every object again under new keys")
	detached(cmd, &detach)
	cmd.MarkFlagsOneRequired("root-key", "provider-key")
	cmd.MarkFlagsMutuallyExclusive("root-key", "provider-key")
	return cmd
}

func newBucketVerifyCommand(p *program) *cobra.Command {
	var sample int
	var detach bool
	cmd := &cobra.Command{
		Use:   "verify BUCKET [--sample N]",
		Short: "Prove that what is stored is ciphertext under the key of the bucket",
		Long: "Read the stored slices of all objects, or of a sample, and prove that they are ciphertext under the key\n" +
			"that the bucket names. It also tells whether objects have data keys from before the bucket came to its\n" +
			"root key.",
		Args: arguments("BUCKET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.runJob(cmd.Context(), args[0], "/verify", map[string]any{"sample": sample}, detach)
		},
	}
	cmd.Flags().IntVar(&sample, "sample", 0, "how many objects (default: all)")
	detached(cmd, &detach)
	return cmd
}

func newBucketJobsCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "jobs BUCKET",
		Short: "List the background jobs of a bucket",
		Args:  arguments("BUCKET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			var list struct {
				Jobs []record[bucketJob] `json:"jobs"`
			}
			if err := c.get(cmd.Context(), bucketPath(args[0], "/jobs"), nil, &list); err != nil {
				return fmt.Errorf("listing the jobs of bucket %s: %w", args[0], err)
			}
			return printList(p, list.Jobs, jobColumns())
		},
	}
}

func detached(cmd *cobra.Command, detach *bool) {
	cmd.Flags().BoolVar(detach, "detach", false, "do not wait for the end")
}

// runJob starts a job on a bucket and waits for its end, with its progress shown to people.
func (p *program) runJob(ctx context.Context, bucket, what string, body any, detach bool) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	var j record[bucketJob]
	if err := c.do(ctx, request{method: http.MethodPost, path: bucketPath(bucket, what), body: body}, &j); err != nil {
		return fmt.Errorf("working on bucket %s: %w", bucket, err)
	}
	if detach {
		return printOne(p, j, jobColumns())
	}
	bar := p.progress("objects of "+bucket, j.fields.Total, false)
	for j.fields.State == "running" {
		bar.set(j.fields.Done, j.fields.Total)
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted; the job %s goes on: \"strongroom bucket jobs %s\"", j.fields.ID, bucket)
		case <-time.After(jobPause):
		}
		if err := c.get(ctx, bucketPath(bucket, "/jobs/"+j.fields.ID), nil, &j); err != nil {
			return fmt.Errorf("asking for job %s: %w", j.fields.ID, err)
		}
	}
	bar.end()
	if err := printOne(p, j, jobColumns()); err != nil {
		return err
	}
	for _, f := range j.fields.Findings {
		fmt.Fprintln(p.stderr, printable(f))
	}
	if j.fields.State == "failed" || j.fields.Bad > 0 {
		return fmt.Errorf("the job on bucket %s has failed, or has found objects that are damaged", bucket)
	}
	return nil
}
