package keyprotect

// ReasonCodes lists the codes of all failures.
func ReasonCodes() []string {
	var codes []string
	for _, r := range reasons() {
		codes = append(codes, r.code)
	}
	return codes
}
