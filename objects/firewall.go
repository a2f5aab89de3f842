package objects

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"strongroom/iam"
)

// maxFirewall is how many addresses a firewall may name.
const maxFirewall = 1000

// SetFirewall limits from where a bucket is reached; nil, and one that limits nothing, takes the limits away.
// Network types are kept for clients: one house has one network.
func SetFirewall(f *Firewall) Change {
	return func(b *Bucket, _ time.Time) error {
		if f == nil || len(f.AllowedIP)+len(f.DeniedIP)+len(f.NetworkType) == 0 {
			b.Firewall = nil
			return nil
		}
		if err := checkAddresses("allowed_ip", f.AllowedIP); err != nil {
			return err
		}
		if err := checkAddresses("denied_ip", f.DeniedIP); err != nil {
			return err
		}
		for _, kind := range f.NetworkType {
			if !slices.Contains([]string{"public", "private", "direct"}, kind) {
				return ErrArgument.On("allowed_network_type", "none of public, private and direct")
			}
		}
		b.Firewall = f
		return nil
	}
}

func checkAddresses(target string, list []string) error {
	if len(list) > maxFirewall {
		return ErrArgument.On(target, fmt.Sprintf("more than %d addresses", maxFirewall))
	}
	for i, s := range list {
		if _, err := parseAddresses(s); err != nil {
			return ErrArgument.On(fmt.Sprintf("%s[%d]", target, i), "not an address or a range in CIDR notation")
		}
	}
	return nil
}

// parseAddresses reads an address, or a range of them in CIDR notation. Bits beyond those of a range
// are ignored, and an IPv4 address in IPv6 clothes is the IPv4 address.
func parseAddresses(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%.60q is no address", s)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%.60q is no range of addresses", s)
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%.60q mixes IPv4 and IPv6", s)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// check refuses a caller whose address the bucket does not allow. Without a firewall, and for the server
// itself, every address is allowed.
func (f *Firewall) check(who iam.Caller) error {
	if f == nil || who.Trail == nil {
		return nil
	}
	address, err := netip.ParseAddr(who.Trail.Address)
	if err != nil {
		return ErrFirewall
	}
	address = address.WithZone("").Unmap()
	if contains(f.DeniedIP, address) || len(f.AllowedIP) > 0 && !contains(f.AllowedIP, address) {
		return ErrFirewall
	}
	return nil
}

func contains(list []string, address netip.Addr) bool {
	return slices.ContainsFunc(list, func(s string) bool {
		p, err := parseAddresses(s)
		return err == nil && p.Contains(address)
	})
}
