package load

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Report prints the medians of the rounds, and the cost of each target beside the first one's of
// the same round, which the last column is called for.
func Report(to io.Writer, targets []*Target, all map[string][]Figures) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "target\trequests/s\tp99\tCPU/request\trequests/CPU s\tcost of %s\t\n", targets[0].Name)
	for _, t := range targets {
		var rate, cpu, p99, ratio []float64
		for i, f := range all[t.Name] {
			rate = append(rate, float64(f.Requests)/f.Wall.Seconds())
			cpu = append(cpu, f.Cost().Seconds())
			p99 = append(p99, f.P99.Seconds())
			ratio = append(ratio, f.Cost().Seconds()/all[targets[0].Name][i].Cost().Seconds())
		}
		fmt.Fprintf(w, "%s\t%.0f\t%v\t%.0f µs\t%.0f\t%.2f\t\n", t.Name, Median(rate),
			time.Duration(Median(p99)*1e9).Round(10*time.Microsecond), 1e6*Median(cpu), 1/Median(cpu), Median(ratio))
	}
	return w.Flush()
}
