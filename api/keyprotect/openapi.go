package keyprotect

import (
	"embed"
	"io/fs"
)

//go:embed openapi/*.yaml
var description embed.FS

// Description describes the API in fragments of OpenAPI 3.1, one file a subject, for
// [httpface.Description]. The tests hold every answer against it.
func Description() fs.FS { return description }
