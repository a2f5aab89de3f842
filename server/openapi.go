package server

import (
	"net/http"
	"strconv"

	"strongroom/api/keyprotect"
	ours "strongroom/api/strongroom"
	"strongroom/internal/httpface"
)

// descriptionHandler answers with the description of the interface in OpenAPI 3.1.
func descriptionHandler(version, url string) (http.HandlerFunc, error) {
	text, err := httpface.Description{
		Title:   "Strongroom",
		Summary: "Key management that speaks IBM Cloud Key Protect, and the service's own operations.",
		Text: "Bodies of requests are read as JSON whatever their Content-Type says. The names of members are matched " +
			"without regard to case, and a member that is null is one that is not there. A body that is null is an empty one.",
		Version: version, URL: url,
	}.Describe(keyprotect.Description(), ours.Description())
	if err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(text) // the client has gone away
	}, nil
}
