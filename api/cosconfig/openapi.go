package cosconfig

import (
	"embed"
	"io/fs"
)

//go:embed openapi/*.yaml
var description embed.FS

// Description describes the API in a fragment of OpenAPI 3.1, for [strongroom/internal/httpface.Description].
func Description() fs.FS { return description }
