package cosconfig_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/api/cosconfig"
	"strongroom/fault"
	"strongroom/objects"
)

// TestMergePatches has what clients send: the first bodies were seen from Terraform.
func TestMergePatches(t *testing.T) {
	wall := &objects.Firewall{AllowedIP: []string{"192.0.2.0/24"}, NetworkType: []string{"public"}}
	tracked := &objects.ActivityTracking{CRN: "crn:x", ReadData: true}
	for _, c := range []struct {
		name, body string
		was, want  objects.Config
	}{
		{"quota", `{"hard_quota":1000000}`, objects.Config{Firewall: wall}, objects.Config{Firewall: wall, Quota: 1000000}},
		{
			"tracking and firewall", `{"activity_tracking":{"management_events":true,"read_data_events":true,"write_data_events":true},"firewall":{"allowed_ip":["10.0.0.0/8"]}}`,
			objects.Config{},
			objects.Config{
				Activity: &objects.ActivityTracking{ReadData: true, WriteData: true, Management: true},
				Firewall: &objects.Firewall{AllowedIP: []string{"10.0.0.0/8"}},
			},
		},
		{"empty list clears", `{"firewall":{"allowed_ip":[]}}`, objects.Config{Firewall: &objects.Firewall{AllowedIP: []string{"10.0.0.0/8"}}}, objects.Config{}},
		{"empty object clears", `{"firewall":{}}`, objects.Config{Firewall: wall}, objects.Config{}},
		{"null clears", `{"firewall":null,"activity_tracking":null,"metrics_monitoring":null,"hard_quota":null}`, objects.Config{
			Firewall: wall, Activity: tracked, Metrics: &objects.MetricsMonitoring{Usage: true}, Quota: 5,
		}, objects.Config{}},
		{"what is left out stays", `{"firewall":{"denied_ip":["192.0.2.7"]}}`, objects.Config{Firewall: wall}, objects.Config{
			Firewall: &objects.Firewall{AllowedIP: wall.AllowedIP, NetworkType: wall.NetworkType, DeniedIP: []string{"192.0.2.7"}},
		}},
		{"null in an object removes", `{"activity_tracking":{"activity_tracker_crn":null}}`, objects.Config{Activity: tracked}, objects.Config{Activity: &objects.ActivityTracking{ReadData: true}}},
		{"metrics", `{"metrics_monitoring":{"usage_metrics_enabled":true}}`, objects.Config{}, objects.Config{Metrics: &objects.MetricsMonitoring{Usage: true}}},
		{"nothing", `{}`, objects.Config{Firewall: wall, Quota: 5}, objects.Config{Firewall: wall, Quota: 5}},
		{"members that we do not know", `{"colour":"green"}`, objects.Config{Quota: 5}, objects.Config{Quota: 5}},
	} {
		b := objects.Bucket{Config: c.was}
		if err := cosconfig.Merge(c.body, &b); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(c.want, b.Config); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
	if wall.DeniedIP != nil || tracked.CRN != "crn:x" {
		t.Error("a patch has changed what other requests read")
	}
}

func TestPatchesThatAreRefused(t *testing.T) {
	for _, body := range []string{
		``, `null`, `[]`, `7`, `{`, `{"hard_quota":"many"}`, `{"hard_quota":1.5}`, `{"firewall":[]}`, `{"firewall":{"allowed_ip":"10.0.0.1"}}`,
		`{"activity_tracking":{"read_data_events":"yes"}}`, `{"hard_quota":1} {}`,
	} {
		if err := cosconfig.Merge(body, &objects.Bucket{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestEachPartNeedsItsOwnAction: a quota may not be the way into a firewall.
func TestEachPartNeedsItsOwnAction(t *testing.T) {
	got, err := cosconfig.Actions(`{"hard_quota":1,"firewall":null,"activity_tracking":{},"metrics_monitoring":{}}`)
	if err != nil {
		t.Fatal(err)
	}
	const prefix = "cloud-object-storage.bucket."
	want := []string{prefix + "put_quota", prefix + "put_firewall", prefix + "put_activity_tracking", prefix + "put_metrics_monitoring"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := cosconfig.Actions(`{"protection_management":{"token_reference":"x"}}`); err == nil {
		t.Error("protection management is accepted, and does nothing")
	}
}

func FuzzPatch(f *testing.F) {
	f.Add(`{"hard_quota":1,"firewall":{"allowed_ip":["10.0.0.0/8"]},"activity_tracking":{"management_events":true}}`)
	f.Add(`{"firewall":{"allowed_ip":null,"denied_ip":[]},"metrics_monitoring":{}}`)
	f.Add(`{"firewall":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		once := objects.Bucket{Config: objects.Config{Firewall: &objects.Firewall{AllowedIP: []string{"192.0.2.1"}}}}
		if err := cosconfig.Merge(body, &once); err != nil {
			if fault.KindOf(err) == fault.Internal {
				t.Fatalf("not a failure for the caller: %v", err)
			}
			return
		}
		twice := once
		if err := cosconfig.Merge(body, &twice); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(once.Config, twice.Config); diff != "" {
			t.Fatalf("a patch does not settle (-once +twice)\n%s", diff)
		}
	})
}
