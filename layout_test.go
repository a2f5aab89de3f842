package strongroom_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "strongroom"

// The floors of the house, in the order in which imports go down.
const (
	program  = "program"  // subcommands and flags
	house    = "house"    // makes everything and puts it together
	faces    = "faces"    // protocols
	engines  = "engines"  // keep what the domain decides
	domain   = "domain"   // decides
	ground   = "ground"   // records, seals, names
	helpers  = "helpers"  // know nothing of keys
	outsides = "outsides" // tests and benchmarks of the whole
)

// room is a folder with packages: the floor it is on and what it may import, as
// names of floors or of rooms. A room may always import itself. The longest
// folder that contains a package is the package's room.
type room struct {
	folder string
	floor  string
	may    []string
}

// layout is the import table of the repository. Within a floor nothing is
// allowed that is not named here: faces do not import faces, engines do not
// import engines, and of the domain only iam is open to its neighbours.
var layout = []room{
	{"cmd/strongroom", program, []string{"server", "crn", "audit", "custody", "custody/pkcs11"}},

	{"server", house, []string{faces, engines, domain, ground, helpers}},

	{"api/keyprotect", faces, []string{domain, ground, "internal/httpface"}},
	{"api/iamidentity", faces, []string{domain, ground, "internal/httpface"}},
	{"api/iampolicy", faces, []string{domain, ground, "internal/httpface"}},
	{"api/resourcecontroller", faces, []string{domain, ground, "internal/httpface"}},
	{"api/s3", faces, []string{domain, ground, "internal/httpface"}},
	{"api/cosconfig", faces, []string{domain, ground, "internal/httpface"}},
	{"api/strongroom", faces, []string{domain, ground, "internal/httpface"}},
	{"api/console", faces, []string{domain, ground, "internal/httpface"}},

	{"sqlstore", engines, []string{domain, ground, "internal/lease"}},
	{"dispersal", engines, []string{"objects", ground, "internal/durable"}},
	{"objects/rootkeyhttp", engines, []string{"objects", "iam", ground}},
	{"custody/software", engines, []string{"custody", "crn", "fault", "internal/durable"}},
	{"custody/recovery", engines, []string{"custody"}},
	{"custody/pkcs11", engines, []string{"custody", "crn", "fault"}},
	{"custody/custodytest", engines, []string{"custody"}},
	{"telemetry", engines, []string{domain, ground}},

	{"kms", domain, []string{"iam", ground, "internal/lease"}},
	{"objects", domain, []string{"iam", ground, "internal/lease"}},
	{"resource", domain, []string{"iam", ground, "internal/lease"}},
	{"masters", domain, []string{"iam", ground}},
	{"activity", domain, []string{"iam", ground, "internal/lease"}},
	{"iam", domain, []string{ground, "internal/lease"}},

	{"audit", ground, []string{"crn", "fault", "internal/durable"}},
	{"backup", ground, []string{"custody"}},
	{"custody", ground, []string{"crn", "fault"}},
	{"crn", ground, nil},
	{"fault", ground, nil},

	{"internal/durable", helpers, nil},
	{"internal/httpface", helpers, []string{"audit", "fault"}},
	{"internal/lease", helpers, nil},

	{"iam/iamtest", outsides, []string{"iam", ground}},
	{"sqlstore/sqlstoretest", outsides, []string{"sqlstore", "internal/lease"}},
	{"dispersal/slicestest", outsides, []string{engines, domain, ground, helpers}},
	{"kms/kmstest", outsides, []string{"iam/iamtest", "sqlstore/sqlstoretest", engines, domain, ground, helpers}},
	{"objects/objectstest", outsides, []string{"iam/iamtest", "sqlstore/sqlstoretest", engines, domain, ground, helpers}},
	{"resource/resourcetest", outsides, []string{"iam/iamtest", "sqlstore/sqlstoretest", engines, domain, ground, helpers}},

	{"objects/storetest", outsides, []string{domain, ground}},

	{"test", outsides, []string{house, faces, engines, domain, ground, helpers}},
	{"bench", outsides, []string{house, faces, engines, domain, ground, helpers}},
}

// topFolders are the folders that need no row in the table: they hold no
// package of the product's module. The root package itself is among them.
var topFolders = []string{".", ".ci", ".git", "bin", "changelog", "data", "docs", "tools", "web"}

// roomOf finds the room of a package by its folder, relative to the root.
func roomOf(folder string) (room, bool) {
	for f := folder; f != "." && f != "/"; f = path.Dir(f) {
		i := slices.IndexFunc(layout, func(r room) bool { return r.folder == f })
		if i >= 0 {
			return layout[i], true
		}
	}
	return room{}, false
}

// checkImport says why a package in one folder may not import one in another.
func checkImport(from, to string) error {
	source, ok := roomOf(from)
	if !ok {
		return fmt.Errorf("%s: has no row in the import table", from)
	}
	target, ok := roomOf(to)
	if !ok {
		return fmt.Errorf("%s: imports %s, which has no row in the import table", from, to)
	}
	if source.folder == target.folder ||
		slices.Contains(source.may, target.folder) || slices.Contains(source.may, target.floor) {
		return nil
	}
	return fmt.Errorf("%s (%s) must not import %s (%s)", from, source.floor, to, target.floor)
}

// parsed is one package of the tree, as its sources say.
type parsed struct {
	folder  string
	comment bool     // has a package comment
	imports []string // folders of this module that its product code imports
	inits   []string // positions of init functions in its product code
	product bool     // has files that are not tests
}

// readTree parses every package of this module below root.
func readTree(t *testing.T, root string) []*parsed {
	t.Helper()
	byFolder := map[string]*parsed{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipFolder(root, file, d.Name())
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		p := byFolder[folder]
		if p == nil {
			p = &parsed{folder: filepath.ToSlash(folder)}
			byFolder[folder] = p
		}
		return p.read(file)
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []*parsed
	for _, p := range byFolder {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *parsed) int { return strings.Compare(a.folder, b.folder) })
	return all
}

// skipFolder leaves out what the go command leaves out, and other modules.
func skipFolder(root, folder, name string) error {
	if folder == root {
		return nil
	}
	if name == "testdata" || name == "node_modules" || name[0] == '.' || name[0] == '_' {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// read adds what one source file says of its package.
func (p *parsed) read(file string) error {
	positions := token.NewFileSet()
	f, err := parser.ParseFile(positions, file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if strings.HasSuffix(file, "_test.go") {
		return nil
	}
	p.product = true
	p.comment = p.comment || f.Doc != nil
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if to, ok := strings.CutPrefix(name, module+"/"); ok && !slices.Contains(p.imports, to) {
			p.imports = append(p.imports, to)
		}
	}
	for _, decl := range f.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			p.inits = append(p.inits, positions.Position(fn.Pos()).String())
		}
	}
	return nil
}

func TestImportsGoDown(t *testing.T) {
	for _, p := range readTree(t, ".") {
		for _, to := range p.imports {
			if err := checkImport(p.folder, to); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestEveryPackageHasARoom(t *testing.T) {
	for _, p := range readTree(t, ".") {
		if _, ok := roomOf(p.folder); !ok && p.folder != "." {
			t.Errorf("%s: no row in the import table", p.folder)
		}
	}
}

func TestEveryPackageHasAComment(t *testing.T) {
	for _, p := range readTree(t, ".") {
		if p.product && !p.comment {
			t.Errorf("%s: no package comment", p.folder)
		}
	}
}

func TestNothingHappensAtImport(t *testing.T) {
	for _, p := range readTree(t, ".") {
		for _, at := range p.inits {
			t.Errorf("%s: an init function; pass what is needed instead", at)
		}
	}
}

func TestTopFoldersAreKnown(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || slices.Contains(topFolders, e.Name()) {
			continue
		}
		known := slices.ContainsFunc(layout, func(r room) bool {
			return r.folder == e.Name() || strings.HasPrefix(r.folder, e.Name()+"/")
		})
		if !known {
			t.Errorf("%s: an unknown folder at the top; see section 3 of the design", e.Name())
		}
	}
}

// TestTheTableRefuses shows that the checks above can fail: each arrow here is
// one that the design forbids.
func TestTheTableRefuses(t *testing.T) {
	for _, arrow := range [][2]string{
		{"crn", "iam"},                        // up from the ground
		{"kms", "server"},                     // up to the house
		{"kms", "api/keyprotect"},             // up to a face
		{"kms", "resource"},                   // domains keep apart
		{"objects", "kms"},                    // objects asks for root keys
		{"kms", "sqlstore"},                   // the store implements, it is not imported
		{"iam", "kms"},                        // iam is below its neighbours
		{"api/keyprotect", "api/iamidentity"}, // faces keep apart
		{"api/keyprotect", "sqlstore"},        // faces do not know the store
		{"api/s3", "server"},                  // up
		{"sqlstore", "custody/software"},      // engines keep apart
		{"sqlstore", "api/keyprotect"},        // up
		{"internal/httpface", "kms"},          // helpers know nothing of keys
		{"server", "cmd/strongroom"},          // nothing imports the program
		{"test/rig", "cmd/strongroom"},        // nor do tests
		{"cmd/strongroom", "kms"},             // the program speaks through the house
		{"warehouse", "crn"},                  // a folder without a row
		{"kms", "warehouse"},
	} {
		if checkImport(arrow[0], arrow[1]) == nil {
			t.Errorf("%s may import %s, and should not", arrow[0], arrow[1])
		}
	}
	for _, arrow := range [][2]string{
		{"cmd/strongroom", "server"},
		{"server", "custody/software"},
		{"api/keyprotect", "kms"},
		{"api/keyprotect", "internal/httpface"},
		{"kms", "iam"},
		{"kms", "internal/lease"},
		{"sqlstore", "kms"},
		{"custody/software", "custody"},
		{"internal/httpface", "audit"},
		{"iam", "custody"},
		{"test/rig", "server"},
	} {
		if err := checkImport(arrow[0], arrow[1]); err != nil {
			t.Error(err)
		}
	}
}
