package strongroom

// ReadCursor reads a cursor of the list of what was purged, and writes it again.
func ReadCursor(text string) (string, bool) {
	p, ok := decodeCursor(text)
	if !ok {
		return "", false
	}
	return encodeCursor(p), true
}
