package s3

import (
	"net/http"
	"strings"
	"time"

	"strongroom/objects"
)

// conditions reads the conditional headers whose names begin with prefix: "" for those of the
// request, "X-Amz-Copy-Source-" for those of the source of a copy. A date that cannot be read asks
// nothing (RFC 9110, section 13.1.3).
func conditions(h http.Header, prefix string) objects.Conditions {
	return objects.Conditions{
		Match:           etags(h.Values(prefix + "If-Match")),
		NoneMatch:       etags(h.Values(prefix + "If-None-Match")),
		ModifiedSince:   httpDate(h.Get(prefix + "If-Modified-Since")),
		UnmodifiedSince: httpDate(h.Get(prefix + "If-Unmodified-Since")),
	}
}

// etags reads lists of entity tags: without quotes, which some clients leave out, and without the mark
// of weak ones.
func etags(headers []string) []string {
	var tags []string
	for _, v := range headers {
		for len(v) > 0 {
			v = strings.TrimLeft(v, " \t,")
			weak := strings.TrimPrefix(v, "W/")
			if quoted, ok := strings.CutPrefix(weak, `"`); ok {
				if tag, rest, closed := strings.Cut(quoted, `"`); closed {
					tags, v = append(tags, tag), rest
					continue
				}
			}
			tag, rest, _ := strings.Cut(v, ",")
			if tag = strings.TrimRight(tag, " \t"); tag != "" {
				tags = append(tags, strings.Trim(tag, `"`))
			}
			v = rest
		}
	}
	return tags
}

func httpDate(v string) time.Time {
	t, err := http.ParseTime(v)
	if err != nil {
		return time.Time{}
	}
	return t
}

// writeConditions reads the conditions of a write, of the object that is replaced: only that there is
// none, or which one.
func writeConditions(h http.Header) (objects.Conditions, error) {
	c := objects.Conditions{Match: etags(h.Values("If-Match")), NoneMatch: etags(h.Values("If-None-Match"))}
	if len(c.NoneMatch) > 1 || len(c.NoneMatch) == 1 && c.NoneMatch[0] != "*" {
		return c, errNotOffered.On("If-None-Match", "a write takes only *")
	}
	return c, nil
}
