package main

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"strongroom/server"
)

const nodeRoot = "/strongroom/v1/nodes"

func newNodeCommand(p *program) *cobra.Command {
	return newGroup("node", "Storage nodes, over which objects are dispersed",
		"Storage nodes are folders, or buckets of other object stores. Objects are encrypted, sliced and\n"+
			"dispersed over them: no node holds a whole object, and some of them are enough to read. These\n"+
			"commands are for the operator of the server.",
		newNodeListCommand(p), newNodeAddCommand(p), newNodeDrainCommand(p), newNodeReplaceCommand(p), newNodeSlicesCommand(p),
		newNodeTakeCommand(p))
}

// nodeList is the storage nodes as this program shows them.
type nodeList struct {
	Nodes  []nodeInfo `json:"nodes"`
	Health struct {
		Blobs   int64 `json:"blobs"`
		Bytes   int64 `json:"bytes"`
		Whole   int64 `json:"whole"`
		Reduced int64 `json:"reduced"`
		AtRisk  int64 `json:"at_risk"`
		Lost    int64 `json:"lost"`
		Scrub   struct {
			Finished string `json:"finished_at"`
			Slices   int64  `json:"slices"`
			Bad      int64  `json:"bad"`
			Repaired int64  `json:"repaired"`
		} `json:"scrub"`
	} `json:"health"`
}

// nodeInfo is a storage node as this program shows it.
type nodeInfo struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Site   string `json:"site"`
	URL    string `json:"url"`
	State  string `json:"state"`
	Status *struct {
		Reachable bool   `json:"reachable"`
		Failure   string `json:"failure"`
		Free      int64  `json:"free_bytes"`
		Slices    int64  `json:"slices"`
		Bytes     int64  `json:"slice_bytes"`
		Missing   int64  `json:"missing_slices"`
	} `json:"status"`
}

func (n nodeInfo) health() string {
	switch {
	case n.Status == nil:
		return ""
	case n.Status.Reachable:
		return "ok"
	}
	return firstOf(n.Status.Failure, "cannot be reached")
}

func nodeColumns() []column[nodeInfo] {
	return []column[nodeInfo]{
		{"NAME", func(n nodeInfo) string { return n.Name }},
		{"SITE", func(n nodeInfo) string { return n.Site }},
		{"STATE", func(n nodeInfo) string { return n.State }},
		{"ID", func(n nodeInfo) string { return n.ID }},
		{"URL", func(n nodeInfo) string { return n.URL }},
	}
}

func newNodeListCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show each node, and how safe what is stored is",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			var list record[nodeList]
			if err := c.get(cmd.Context(), nodeRoot, nil, &list); err != nil {
				return fmt.Errorf("reading the storage nodes: %w", err)
			}
			if p.flags.output == outputJSON {
				return p.printJSON(list)
			}
			return p.printNodes(list.fields)
		},
	}
}

func (p *program) printNodes(list nodeList) error {
	var rows [][]string
	for _, n := range list.Nodes {
		row := []string{printable(n.Name), printable(n.Site), printable(n.State), printable(n.health()), "", "", "", ""}
		if s := n.Status; s != nil {
			row[4], row[5] = strconv.FormatInt(s.Slices, 10), byteSize(s.Bytes)
			row[6], row[7] = strconv.FormatInt(s.Missing, 10), byteSize(s.Free)
		}
		rows = append(rows, row)
	}
	if err := p.printTable([]string{"NODE", "SITE", "STATE", "HEALTH", "SLICES", "SIZE", "MISSING", "FREE"}, rows); err != nil {
		return err
	}
	h := list.Health
	fmt.Fprintf(p.stdout, "\n%d parts of objects (%s): %d whole, %d with slices missing, %d at risk, %d that cannot be read now\n",
		h.Blobs, byteSize(h.Bytes), h.Whole, h.Reduced, h.AtRisk, h.Lost)
	if h.Scrub.Finished != "" {
		fmt.Fprintf(p.stdout, "last verified whole: %s; bad slices found in this round: %d; rebuilt since the server began: %d\n",
			shortTime(h.Scrub.Finished), h.Scrub.Bad, h.Scrub.Repaired)
	}
	return nil
}

// nodeFlags describe a node to be added.
type nodeFlags struct{ site, credentials string }

func (f *nodeFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.site, "site", "local", "where it is: nodes of one site are thought to fail together")
	cmd.Flags().StringVar(&f.credentials, "credentials-file", "", "`PATH` on the server of a file in the form of AWS's shared credentials")
}

func (f *nodeFlags) body(name, url string) map[string]string {
	return map[string]string{"name": name, "site": f.site, "url": url, "credentials_file": f.credentials}
}

func newNodeAddCommand(p *program) *cobra.Command {
	var f nodeFlags
	cmd := &cobra.Command{
		Use:   "add NAME URL",
		Short: "Begin to use a node",
		Long: "Begin to use a node: a folder of the server, as file:///srv/strongroom/7, or a bucket of another\n" +
			"object store, as \"s3://bucket?endpoint=https://s3.example.com&region=us-east-1\". It is probed first:\n" +
			"a file is written, read and removed.",
		Args: arguments("NAME", "URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeNode(cmd, nodeRoot, f.body(args[0], args[1]), "adding node "+args[0])
		},
	}
	f.register(cmd)
	return cmd
}

func newNodeDrainCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "drain NAME",
		Short: "Move everything from a node to the others",
		Long: "Write nothing more to a node, and move what is on it to the others, in the background. When it is\n" +
			"empty its state is removed, and it can be taken away.",
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeNode(cmd, path(nodeRoot, args[0])+"/drain", struct{}{}, "draining node "+args[0])
		},
	}
}

func newNodeReplaceCommand(p *program) *cobra.Command {
	var f nodeFlags
	cmd := &cobra.Command{
		Use:   "replace LOST NAME URL",
		Short: "Give a lost node up, and rebuild its slices with a new one",
		Long: "Give a lost node up for good, begin to use a new one, and rebuild the slices of the lost one from the\n" +
			"others, in the background. A node that can still be read is better drained.",
		Args: arguments("LOST", "NAME", "URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeNode(cmd, path(nodeRoot, args[0])+"/replace", f.body(args[1], args[2]), "replacing node "+args[0])
		},
	}
	f.register(cmd)
	return cmd
}

// changeNode posts a change and shows the node that comes back.
func (p *program) changeNode(cmd *cobra.Command, path string, body any, doing string) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	var n record[nodeInfo]
	if err := c.do(cmd.Context(), request{method: http.MethodPost, path: path, body: body}, &n); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return printOne(p, n, nodeColumns())
}

// sliceMap is where the slices of an object are.
type sliceMap struct {
	Parts []struct {
		Part     int    `json:"part"`
		Blob     string `json:"blob"`
		Profile  string `json:"profile"`
		Size     int64  `json:"sealed_bytes"`
		Embedded bool   `json:"embedded"`
		Slices   []struct {
			Index   int    `json:"index"`
			Node    string `json:"node"`
			Site    string `json:"site"`
			Good    bool   `json:"good"`
			Failure string `json:"failure"`
		} `json:"slices"`
	} `json:"parts"`
}

func newNodeSlicesCommand(p *program) *cobra.Command {
	var version string
	cmd := &cobra.Command{
		Use:   "slices BUCKET KEY",
		Short: "Show on which nodes the slices of an object are",
		Long:  "Show on which nodes the slices of an object are. Each is read and verified.",
		Args:  arguments("BUCKET", "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			query := map[string][]string{"bucket": {args[0]}, "key": {args[1]}}
			if version != "" {
				query["version"] = []string{version}
			}
			var m record[sliceMap]
			if err := c.get(cmd.Context(), "/strongroom/v1/slices", query, &m); err != nil {
				return fmt.Errorf("reading the slices of %s/%s: %w", args[0], args[1], err)
			}
			if p.flags.output == outputJSON {
				return p.printJSON(m)
			}
			return p.printSlices(m.fields)
		},
	}
	cmd.Flags().StringVar(&version, "version", "", "version of the object (default: the newest)")
	return cmd
}

func (p *program) printSlices(m sliceMap) error {
	var rows [][]string
	for _, part := range m.Parts {
		number := strconv.Itoa(part.Part)
		if part.Embedded {
			rows = append(rows, []string{number, "embedded", "", "", "in the database, encrypted"})
		}
		for _, s := range part.Slices {
			state := "good"
			if !s.Good {
				state = firstOf(s.Failure, "bad")
			}
			rows = append(rows, []string{number, printable(part.Profile), strconv.Itoa(s.Index), printable(s.Node + " (" + s.Site + ")"), printable(state)})
		}
	}
	return p.printTable([]string{"PART", "PROFILE", "SLICE", "NODE", "STATE"}, rows)
}

// byteSize renders a number of bytes for people.
func byteSize(n int64) string {
	const step = 1024
	if n < step {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/step, 0
	for value >= step && unit < 4 {
		value, unit = value/step, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[unit])
}

func newNodeTakeCommand(p *program) *cobra.Command {
	var flags serverFlags
	cmd := &cobra.Command{
		Use:   "take --data DIR",
		Short: "Take the storage nodes over for a database that was restored",
		Long: "A server whose database was restored from a backup only reads its storage nodes: the server that\n" +
			"the backup is of may still use them, and what that has stored since would be removed. When it is\n" +
			"gone for good, take the nodes over. The server must not be running.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.load()
			if err != nil {
				return err
			}
			if err := server.TakeNodes(cmd.Context(), c, p.stderr); err != nil {
				return err
			}
			fmt.Fprintln(p.stderr, "taken over; start the server")
			return nil
		},
	}
	flags.register(cmd)
	return cmd
}
