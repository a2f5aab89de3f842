package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func newMetricsCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "metrics",
		Short: "Print how much Key Protect instances are used",
		Long: "Print how many requests of each kind were made within the last minute, and how many milliseconds they\n" +
			"took in the mean, in the format of Prometheus whatever --output says.\n\n" +
			"Instances are shown that have a policy for it, and on which you have a platform role such as Viewer.",
		Example: "  strongroom instance policy set --metrics\n" +
			"  strongroom metrics",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			page, err := c.stream(cmd.Context(), request{method: http.MethodGet, path: "/strongroom/v1/metrics"})
			if err != nil {
				return fmt.Errorf("reading the metrics: %w", err)
			}
			defer page.Close()
			n, err := io.Copy(p.stdout, page)
			if err != nil {
				return fmt.Errorf("reading the metrics: %w", err)
			}
			if n == 0 {
				fmt.Fprintln(p.stderr, "nothing to show: no instance with a policy for metrics was used within the last minute")
			}
			return nil
		},
	}
}
