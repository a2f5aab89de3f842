package strongroom

import (
	"embed"
	"io/fs"
)

//go:embed openapi/*.yaml
var description embed.FS

// Description describes our own operations in fragments of OpenAPI 3.1, for
// [httpface.Description].
func Description() fs.FS { return description }
