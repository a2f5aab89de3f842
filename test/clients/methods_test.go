package clients_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	kp "github.com/IBM/keyprotect-go-client"
)

// TestEveryMethodIsUsed finds methods of IBM's client that no test here calls. Those for KMIP are
// left out: the server does not speak it.
func TestEveryMethodIsUsed(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	must(t, err)
	used := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		must(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if method, ok := call.Fun.(*ast.SelectorExpr); ok {
					used[method.Sel.Name] = true
				}
			}
			return true
		})
	}
	client := reflect.TypeFor[*kp.Client]()
	for i := range client.NumMethod() {
		if name := client.Method(i).Name; !used[name] && !strings.Contains(name, "KMIP") {
			t.Errorf("no test calls %s", name)
		}
	}
}
