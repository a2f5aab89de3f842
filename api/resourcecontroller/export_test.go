package resourcecontroller

// ParseSearch reads a query and tells only whether it is valid.
func ParseSearch(query string) error {
	_, err := parseSearch(query)
	return err
}
