package kms

// ParseEnvelope parses the text of a wrapped data key and writes it again.
func ParseEnvelope(text string) (string, error) {
	e, err := parseEnvelope(text)
	if err != nil {
		return "", err
	}
	return e.String(), nil
}
