package rig_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/test/rig"
)

// TestEveryRouteIsDescribed compares the table of routes with the description,
// whatever the parameters are called.
func TestEveryRouteIsDescribed(t *testing.T) {
	r := rig.Start(t)
	parameter := regexp.MustCompile(`\{[^}]+\}`)
	var routes, described []string
	for _, route := range r.Routes {
		if route.Face != "s3" && rig.Describes(route.Path) {
			routes = append(routes, parameter.ReplaceAllString(route.Method+" "+route.Path, "{}"))
		}
	}
	for _, operation := range r.Description().Operations() {
		described = append(described, parameter.ReplaceAllString(operation, "{}"))
	}
	slices.Sort(routes)
	slices.Sort(described)
	if diff := cmp.Diff(routes, described); diff != "" {
		t.Errorf("routes and what is described (-route +described):\n%s", diff)
	}
}
