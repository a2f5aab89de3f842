package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"strongroom/server"
)

// clientVersion names the build of this program.
func clientVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// versions is what the version command prints as JSON.
type versions struct {
	Client struct {
		Version string      `json:"version"`
		Go      string      `json:"go"`
		FIPS    server.FIPS `json:"fips140"`
	} `json:"client"`
	Server json.RawMessage `json:"server,omitempty"` // as the server tells it
}

func newVersionCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program and of the server",
		Long:  "Show the version of this program and, if it can be reached, of the server. No login is needed.",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var v versions
			v.Client.Version, v.Client.Go, v.Client.FIPS = clientVersion(), runtime.Version(), server.ReadVersion().FIPS
			unreached := p.serverVersion(cmd, &v.Server)
			if p.flags.output == outputJSON {
				return p.printJSON(v)
			}
			rows := [][]string{
				{"CLIENT", v.Client.Version},
				{"GO", v.Client.Go},
				{"FIPS 140-3 MODE", v.Client.FIPS.Mode},
				{"FIPS 140-3 MODULE", v.Client.FIPS.Module},
			}
			if err := p.printTable(nil, append(rows, serverRows(v.Server)...)); err != nil {
				return err
			}
			if unreached != nil {
				fmt.Fprintf(p.stderr, "server: %s\n", printable(unreached.Error()))
			}
			return nil
		},
	}
}

// serverVersion asks the server, whoever the caller is.
func (p *program) serverVersion(cmd *cobra.Command, into *json.RawMessage) error {
	s, err := p.settings()
	if err != nil {
		return err
	}
	c, err := p.newClient(s)
	if err != nil {
		return err
	}
	return c.do(cmd.Context(), request{method: http.MethodGet, path: "/version", anonymous: true}, into)
}

// serverRows renders the members of the server's answer, whatever they are, and
// one row for each member of those that have members themselves.
func serverRows(raw json.RawMessage) [][]string {
	if len(raw) == 0 { // the server was not reached
		return nil
	}
	rows := memberRows("SERVER", raw)
	slices.SortFunc(rows, slices.Compare)
	return rows
}

func memberRows(title string, raw json.RawMessage) (rows [][]string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		return [][]string{{title, printable(text)}}
	}
	for name, value := range members {
		rows = append(rows, memberRows(title+" "+printable(name), value)...)
	}
	return rows
}
