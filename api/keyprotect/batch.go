package keyprotect

import (
	"context"
	"net/http"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// maxBatchBody is the limit of the body of a batch, in bytes after inflation.
const maxBatchBody = 16 << 20

func (s *server) batchRoutes() []httpface.Route[iam.Caller] {
	batch := func(name string, action iam.Action, h handler) httpface.Route[iam.Caller] {
		r := ownRoute("POST", "/{id}/batches/"+name, http.StatusOK, action, h)
		r.MaxBody = maxBatchBody
		return r
	}
	return []httpface.Route[iam.Caller]{
		batch("wrap", kms.ActionWrap, s.wrapBatch()),
		batch("unwrap", kms.ActionUnwrap, s.unwrapBatch()),
		batch("rewrap", kms.ActionRewrap, s.rewrapBatch()),
		batch("transfer", kms.ActionUnwrap, s.transferBatch()),
	}
}

// parseBatch reads the items of a batch.
func parseBatch[T any](c *call) ([]T, error) {
	var body struct {
		Metadata  *metadata `json:"metadata"`
		Resources []T       `json:"resources"`
	}
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return nil, err
	}
	if body.Metadata != nil && body.Metadata.CollectionTotal != len(body.Resources) {
		return nil, errTotal
	}
	return body.Resources, nil
}

// outcome is what came of one item of a batch: one of the two.
type outcome[T any] struct {
	Result *T           `json:"result,omitempty"`
	Error  *errorReason `json:"error,omitempty"`
}

// sendBatch answers with the outcomes in the order of the items.
func sendBatch[Out, T any](c *call, all []kms.Outcome[Out], show func(Out) T) answer {
	out := make([]outcome[T], len(all))
	for i, o := range all {
		if o.Err != nil {
			out[i].Error = itemError(c, o.Err)
			continue
		}
		shown := show(o.Result)
		out[i].Result = &shown
	}
	return collect(typeKeyAction, out).send()
}

// handleBatch is handle for operations whose answer may hold errors.
func handleBatch[In any](s *server, action iam.Action, parse func(*call) (In, error),
	act func(context.Context, iam.Caller, *call, kms.Ref, In) (answer, error),
) handler {
	return func(ctx context.Context, who iam.Caller, c *call) (answer, error) {
		inner := handle(s, action, parse, func(ctx context.Context, who iam.Caller, ref kms.Ref, in In) (answer, error) {
			return act(ctx, who, c, ref, in)
		})
		return inner(ctx, who, c)
	}
}

// wrapItem is one plaintext on the wire.
type wrapItem struct {
	Plaintext string   `json:"plaintext"`
	AAD       []string `json:"aad"`
}

func parseWrapBatch(c *call) ([]kms.WrapItem, error) {
	in, err := parseBatch[wrapItem](c)
	if err != nil {
		return nil, err
	}
	items := make([]kms.WrapItem, len(in))
	for i, item := range in {
		plaintext, err := decodeField("plaintext", "a base64 encoded data key", item.Plaintext)
		items[i] = kms.WrapItem{Plaintext: plaintext, AAD: item.AAD, Unread: err}
	}
	return items, nil
}

func wipeItems(items []kms.WrapItem) {
	for _, item := range items {
		item.Plaintext.Wipe()
	}
}

func (s *server) wrapBatch() handler {
	return handleBatch(s, kms.ActionWrap, parseWrapBatch, func(ctx context.Context, who iam.Caller, c *call, ref kms.Ref, items []kms.WrapItem) (answer, error) {
		defer wipeItems(items)
		all, err := s.keys.WrapBatch(ctx, who, ref, items)
		if err != nil {
			return answer{}, err
		}
		return sendBatch(c, all, newWrapped), nil
	})
}

func parseUnwrapBatch(c *call) ([]kms.UnwrapItem, error) {
	in, err := parseBatch[unwrapRequest](c)
	items := make([]kms.UnwrapItem, len(in))
	for i, item := range in {
		items[i] = kms.UnwrapItem{Ciphertext: item.Ciphertext, AAD: item.AAD}
	}
	return items, err
}

func (s *server) unwrapBatch() handler {
	return handleBatch(s, kms.ActionUnwrap, parseUnwrapBatch, func(ctx context.Context, who iam.Caller, c *call, ref kms.Ref, items []kms.UnwrapItem) (answer, error) {
		all, err := s.keys.UnwrapBatch(ctx, who, ref, items)
		if err != nil {
			return answer{}, err
		}
		return sendBatch(c, all, newUnwrapped), nil
	})
}

func (s *server) rewrapBatch() handler {
	return handleBatch(s, kms.ActionRewrap, parseUnwrapBatch, func(ctx context.Context, who iam.Caller, c *call, ref kms.Ref, items []kms.UnwrapItem) (answer, error) {
		all, err := s.keys.RewrapBatch(ctx, who, ref, items)
		if err != nil {
			return answer{}, err
		}
		return sendBatch(c, all, newRewrapped), nil
	})
}

func parseTransferBatch(c *call) ([]kms.Transfer, error) {
	in, err := parseBatch[transferRequest](c)
	if err != nil {
		return nil, err
	}
	ref, err := refOf(c)
	if err != nil {
		return nil, err
	}
	items := make([]kms.Transfer, len(in))
	for i, item := range in {
		t, err := item.understand(ref.Instance)
		t.Unread = err
		items[i] = t
	}
	return items, nil
}

func (s *server) transferBatch() handler {
	return handleBatch(s, kms.ActionUnwrap, parseTransferBatch, func(ctx context.Context, who iam.Caller, c *call, ref kms.Ref, items []kms.Transfer) (answer, error) {
		all, err := s.keys.TransferBatch(ctx, who, ref, items)
		if err != nil {
			return answer{}, err
		}
		return sendBatch(c, all, newTransferred), nil
	})
}

// itemError is what a request for this item alone would have been refused with.
func itemError(c *call, err error) *errorReason {
	f := firstFault(err)
	for _, r := range reasons() {
		if r.fault == f {
			out := r.reason(statusOf(f), detailOf(err, f))
			return &out
		}
	}
	return &errorReason{
		Code: itemCode(f), Message: plainMessage(c, err, f), Status: statusOf(f), MoreInfo: moreInfo,
	}
}

// itemCode names a failure that has no reason code, by its status.
func itemCode(f *fault.Fault) string {
	switch statusOf(f) {
	case http.StatusUnauthorized:
		return "UNAUTHORIZED_ERR"
	case http.StatusServiceUnavailable:
		return "SERVICE_UNAVAILABLE_ERR"
	}
	return "INTERNAL_ERR"
}
