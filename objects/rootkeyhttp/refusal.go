package rootkeyhttp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"strongroom/objects"
)

// errProtocol says that an answer is not what the protocol says it is.
var errProtocol = fmt.Errorf("%w: it answers something else than its protocol says", objects.ErrRootService)

// refusal is an answer that is not a success.
type refusal struct {
	status int
	text   string // what the service says, for the log; empty if that is not said in the words of its protocol
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the key service answers %d: %s", r.status, cmp.Or(r.text, "without an explanation"))
}

// complaint is the text of an error in the shape of Key Protect, of IAM, or of a Strongroom's own interface.
func complaint(body []byte) string {
	const longest = 300
	var e struct {
		Resources    []struct{ ErrorMsg string }
		ErrorMessage string
		Error        struct{ Message string }
	}
	_ = json.Unmarshal(body, &e) // what is in no such shape leaves it empty
	text := cmp.Or(e.ErrorMessage, e.Error.Message)
	if len(e.Resources) > 0 {
		text = e.Resources[0].ErrorMsg
	}
	return strings.ToValidUTF8(text[:min(len(text), longest)], "")
}

// status is that of an answer in which the service refuses; 0 for another failure. A refusal in other words
// than those of its protocol is of something between here and there, and says nothing of a key: a proxy that
// does not find the service answers 404 too, and no bucket may be told for it that its root key is deleted.
func status(err error) int {
	var r *refusal
	if errors.As(err, &r) && r.text != "" {
		return r.status
	}
	return 0
}

// retryable reports whether another try may have another outcome.
func retryable(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		return r.status == http.StatusTooManyRequests || r.status >= http.StatusInternalServerError
	}
	return true
}

// unreachable is a failure that says nothing of the key. Why is for the log.
func unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %v", objects.ErrRootService, err)
}
