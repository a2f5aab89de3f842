package cosconfig

import "strongroom/objects"

// Merge is what a patch makes of a firewall, activity tracking and metrics monitoring; b is changed.
func Merge(body string, b *objects.Bucket) error {
	p, err := readPatch([]byte(body))
	if err != nil {
		return err
	}
	if p.Firewall.given {
		b.Firewall = p.Firewall.value.onto(b.Firewall)
	}
	if p.Activity.given {
		b.Activity = p.Activity.value.onto(b.Activity)
	}
	if p.Metrics.given {
		b.Metrics = p.Metrics.value.onto(b.Metrics)
	}
	p.Quota.onto(&b.Quota)
	return nil
}

// Actions are those that a patch needs, in the order in which they are decided.
func Actions(body string) (names []string, err error) {
	p, err := readPatch([]byte(body))
	if err != nil {
		return nil, err
	}
	list, err := p.settings()
	for _, s := range list {
		names = append(names, string(s.Action))
	}
	return names, err
}
