package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"strongroom/server"
)

func newAuditCommand(p *program) *cobra.Command {
	return newGroup("audit", "What was asked of the server, allowed or refused", "",
		newAuditListCommand(p), newAuditExportCommand(p), newAuditVerifyCommand(p))
}

const auditRoot = "/strongroom/v1/audit"

// event is an audit event as this program shows it.
type event struct {
	Time      string `json:"eventTime"`
	Action    string `json:"action"`
	Outcome   string `json:"outcome"`
	Severity  string `json:"severity"`
	Initiator struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"initiator"`
	Target struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"target"`
	Reason struct {
		Code int `json:"reasonCode"`
	} `json:"reason"`
	Correlation string `json:"correlationId"`
}

func eventColumns() []column[event] {
	return []column[event]{
		{"TIME", func(e event) string { return shortTime(e.Time) }},
		{"ACTION", func(e event) string { return e.Action }},
		{"OUTCOME", func(e event) string { return fmt.Sprintf("%s (%d)", e.Outcome, e.Reason.Code) }},
		{"SEVERITY", func(e event) string { return e.Severity }},
		{"INITIATOR", func(e event) string { return firstOf(e.Initiator.Name, e.Initiator.ID) }},
		{"TARGET", func(e event) string { return firstOf(e.Target.Name, e.Target.ID) }},
	}
}

func newAuditListCommand(p *program) *cobra.Command {
	var instance, key, action, initiator, outcome, correlation string
	var period auditPeriod
	var unowned bool
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"search"},
		Short:   "Search the audit log",
		Long:    "Search the audit log. What is given must all hold.",
		Example: "  strongroom audit list --from 1h --outcome failure\n" +
			"  strongroom audit list --key 7c9e6679-7425-40de-944b-e07fc1f90ae7 --action kms.secrets.unwrap",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usageErrorf("--limit must be at least 1")
			}
			query := url.Values{}
			if unowned {
				query.Set("unowned", "true")
			}
			if err := period.set(p, query); err != nil {
				return err
			}
			for name, value := range map[string]string{
				"key": key, "action": action, "initiator": initiator, "outcome": outcome, "correlation": correlation,
			} {
				if value != "" {
					query.Set(name, value)
				}
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			if instance != "" {
				guid, err := serviceInstance(cmd.Context(), c, "", instance)
				if err != nil {
					return err
				}
				query.Set("instance", guid)
			}
			events, more, err := searchAudit(cmd.Context(), c.client, query, limit)
			if err != nil {
				return fmt.Errorf("searching the audit log: %w", err)
			}
			if err := printList(p, events, eventColumns()); err != nil {
				return err
			}
			if more {
				fmt.Fprintln(p.stderr, "there are more: raise --limit, or narrow the search")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	period.register(cmd)
	flags.StringVar(&instance, "instance", "", "only events of this instance: GUID, CRN or name")
	flags.StringVar(&key, "key", "", "only events of this key, by ID")
	flags.StringVar(&action, "action", "", "only this action, such as kms.secrets.unwrap")
	flags.StringVar(&initiator, "initiator", "", "only events of this IAM ID")
	flags.StringVar(&outcome, "outcome", "", "only this outcome: success, failure or pending")
	flags.StringVar(&correlation, "correlation", "", "only events of the request with this correlation ID")
	flags.BoolVar(&unowned, "unowned", false, "events that belong to no account, such as refused logins; for the operator of the server")
	flags.IntVar(&limit, "limit", 100, "most events to show")
	oneOf(cmd, "outcome", "success", "failure", "pending")
	return cmd
}

// auditPeriod bounds events by time.
type auditPeriod struct{ from, to string }

func (ap *auditPeriod) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&ap.from, "from", "", "only events since this `TIME`, or such as 24h ago")
	cmd.Flags().StringVar(&ap.to, "to", "", "only events until this `TIME`, or such as 1h ago")
}

// set adds the bounds that were given to query.
func (ap *auditPeriod) set(p *program, query url.Values) error {
	for _, bound := range []struct{ name, value string }{{"from", ap.from}, {"to", ap.to}} {
		if bound.value == "" {
			continue
		}
		at, err := p.pastTime("--"+bound.name, bound.value)
		if err != nil {
			return err
		}
		query.Set(bound.name, at)
	}
	return nil
}

// auditPage is how many events are asked for at once.
const auditPage = 1000

// searchAudit returns at most limit events, and whether there are more.
func searchAudit(ctx context.Context, c *client, query url.Values, limit int) (events []record[event], more bool, err error) {
	for {
		query.Set("limit", strconv.Itoa(min(limit-len(events), auditPage)))
		var page struct {
			Events []record[event] `json:"events"`
			Next   string          `json:"next"`
		}
		if err := c.get(ctx, auditRoot+"/events", query, &page); err != nil {
			return nil, false, err
		}
		events = append(events, page.Events...)
		switch {
		case page.Next == "":
			return events, false, nil
		case len(events) >= limit:
			return events[:limit], true, nil
		case page.Next == query.Get("cursor"):
			return nil, false, errors.New("the server's list does not end: a page names itself as the next")
		}
		query.Set("cursor", page.Next)
	}
}

func newAuditExportCommand(p *program) *cobra.Command {
	var out string
	var period auditPeriod
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Export the audit log as JSON lines",
		Long: "Export the audit log as JSON lines. A file takes its name only when the export is complete, and\n" +
			"can be read by you alone.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{}
			if err := period.set(p, query); err != nil {
				return err
			}
			file, err := p.createSecret(out)
			if err != nil {
				return err
			}
			defer file.discard()
			c, err := p.connect()
			if err != nil {
				return err
			}
			body, err := c.stream(cmd.Context(), request{method: http.MethodGet, path: auditRoot + "/export", query: query})
			if err != nil {
				return fmt.Errorf("exporting the audit log: %w", err)
			}
			defer body.Close()
			if _, err := io.Copy(file, body); err != nil {
				return fmt.Errorf("exporting the audit log: %w", err)
			}
			return file.commit()
		},
	}
	period.register(cmd)
	cmd.Flags().StringVar(&out, "out", "", "`FILE` for the events (default: standard output)")
	return cmd
}

// auditReport is what a verification found.
type auditReport struct {
	OK          bool   `json:"ok"`
	Entries     uint64 `json:"entries"`
	Anchored    uint64 `json:"anchored_sequence"` // nothing up to here can have been changed unseen
	AfterAnchor uint64 `json:"after_anchor"`      // entries behind it
	Found       int    `json:"problem_count"`     // of all problems; only the first are listed
	Problems    []struct {
		Segment  string `json:"segment"`
		Sequence uint64 `json:"sequence"`
		Kind     string `json:"kind"`
		Detail   string `json:"detail"`
	} `json:"problems"`
}

// newAuditVerifyCommand returns the command that verifies the audit log: the server does it or, when
// --data is given, this program, while the server is stopped.
func newAuditVerifyCommand(p *program) *cobra.Command {
	var flags serverFlags
	cmd := &cobra.Command{
		Use:   "verify [--data DIR]",
		Short: "Check that nobody has changed the audit log",
		Long: "Check the chain of the audit log and its signed checkpoints, and say up to which entry nothing can\n" +
			"have been changed, removed or cut off unseen. Problems are listed, and make the exit code 1.\n\n" +
			"The server does it, unless --data names the data folder of a server that is stopped.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := p.verifyAudit(cmd.Context(), &flags)
			if err != nil {
				return fmt.Errorf("verifying the audit log: %w", err)
			}
			return p.printAuditReport(report)
		},
	}
	flags.register(cmd)
	return cmd
}

func (p *program) verifyAudit(ctx context.Context, flags *serverFlags) (record[auditReport], error) {
	var report record[auditReport]
	if flags.data != "" {
		c, err := flags.load()
		if err != nil {
			return report, err
		}
		raw, err := server.VerifyAudit(ctx, c, p.stderr)
		if err != nil {
			return report, err
		}
		return report, report.UnmarshalJSON(raw)
	}
	c, err := p.connect()
	if err != nil {
		return report, err
	}
	return report, c.do(ctx, request{method: http.MethodPost, path: auditRoot + "/verify"}, &report)
}

func (p *program) printAuditReport(report record[auditReport]) error {
	found := report.fields
	if p.flags.output == outputJSON {
		if err := p.printJSON(report); err != nil {
			return err
		}
	} else if err := p.printAuditTable(found); err != nil {
		return err
	}
	if !found.OK || len(found.Problems) > 0 {
		return withHint(fmt.Errorf("problems in the audit log: %d", max(found.Found, len(found.Problems))),
			"keep a copy of the data folder as it is before anything else")
	}
	return nil
}

func (p *program) printAuditTable(found auditReport) error {
	err := p.printTable(nil, [][]string{
		{"INTACT", yes(found.OK)},
		{"ENTRIES", strconv.FormatUint(found.Entries, 10)},
		{"ANCHORED TO", strconv.FormatUint(found.Anchored, 10)},
		{"AFTER ANCHOR", strconv.FormatUint(found.AfterAnchor, 10)},
	})
	if err != nil || len(found.Problems) == 0 {
		return err
	}
	var rows [][]string
	for _, problem := range found.Problems {
		rows = append(rows, []string{
			printable(problem.Segment), strconv.FormatUint(problem.Sequence, 10),
			printable(problem.Kind), printable(problem.Detail),
		})
	}
	return p.printTable([]string{"SEGMENT", "SEQUENCE", "KIND", "DETAIL"}, rows)
}
