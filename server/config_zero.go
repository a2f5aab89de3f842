package server

import (
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// none is what the configuration holds for a limit of zero, where the zero value stands for the default.
const none = -1

// neverZero are the fields of the file that have a default and mean nothing when they are 0. A field
// of the elements of a list follows two brackets.
var neverZero = []string{
	"custody.master_days", "custody.modules[].pkcs11.sessions", "custody.modules[].pkcs11.cached_keys",
	"audit.retention_days", "audit.retention_mib", "audit.segment_mib", "audit.reserve_mib",
	"objects.max_buckets", "objects.scrub_mib", "objects.rebuild_mib", "objects.profiles[].write",
	"objects.key_service.poll",
}

// heedZeros looks for what a file sets to 0, which the decoded configuration cannot tell from what it leaves
// out. Where that means something it is taken at its word, and elsewhere refused: it never means the default.
func (c *Config) heedZeros(text []byte) error {
	var file any
	if err := yaml.Unmarshal(text, &file); err != nil {
		return err
	}
	for _, field := range neverZero {
		if zeroAt(file, field) {
			return fmt.Errorf("%s: must be more than 0; leave it out for the default", strings.ReplaceAll(field, "[]", ""))
		}
	}
	if zeroAt(file, "keys.purge_wait") {
		c.Keys.PurgeWait = none
	}
	if zeroAt(file, "keys.sync_wait") {
		c.Keys.SyncWait = none
	}
	if zeroAt(file, "objects.embed_kib") {
		c.Objects.EmbedKiB = none
	}
	return nil
}

// zeroAt reports whether a field of a decoded file is there and is 0, in one of the elements where its
// path goes through a list.
func zeroAt(in any, field string) bool {
	first, rest, more := strings.Cut(field, ".")
	name, each := strings.CutSuffix(first, "[]")
	of, _ := in.(map[string]any)
	value, there := of[name]
	switch {
	case !there:
		return false
	case each:
		list, _ := value.([]any)
		for _, element := range list {
			if zeroAt(element, rest) {
				return true
			}
		}
		return false
	case more:
		return zeroAt(value, rest)
	}
	text := fmt.Sprint(value)
	wait, err := time.ParseDuration(text)
	return text == "0" || err == nil && wait == 0
}
