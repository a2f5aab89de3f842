package objects_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"strongroom/iam"
)

// TestEveryActionIsInARole: an action that no role holds could be done by the owner of an account
// alone, and nobody would notice.
func TestEveryActionIsInARole(t *testing.T) {
	seen := 0
	for _, file := range []string{"actions.go", "storage.go"} {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			name, err := strconv.Unquote(lit.Value)
			if err != nil || !strings.HasPrefix(name, "cloud-object-storage.") && !strings.HasPrefix(name, "strongroom.") {
				return true
			}
			seen++
			if !iam.KnownAction(iam.Action(name)) {
				t.Errorf("%s is in no role", name)
			}
			return true
		})
	}
	if seen < 90 {
		t.Errorf("only %d actions were found", seen)
	}
}
