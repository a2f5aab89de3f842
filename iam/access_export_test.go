package iam

// GlobMatch compiles a pattern and matches a text with it.
func GlobMatch(pattern, text string) bool { return compileGlob(pattern).match(text) }

// CheckPolicy is what is asked of a policy before it is stored.
func CheckPolicy(p *Policy) error { return p.check() }

// RoleLetters and GrantLetters are the columns of the table of roles, and those
// that each of its rows uses.
const RoleLetters = roleLetters

// GrantLetters returns the columns that each row of the table of grants uses.
func GrantLetters() []string {
	var all []string
	for _, g := range grants {
		all = append(all, g.roles)
	}
	return all
}

// RoleCount is how many roles the table declares.
func RoleCount() int { return len(roleRows) }

// OldNames maps former names of actions to the present ones.
func OldNames() map[Action]Action { return oldNames }
