package objects_test

import (
	"errors"
	"strings"
	"testing"

	"strongroom/objects"
)

func TestBucketNames(t *testing.T) {
	for name, valid := range map[string]bool{
		"abc": true, "a-b": true, "a.b": true, "3com": true, "a--b": true, "1.2.3": true, "1.2.3.4.5": true, "1.2.3.x": true,
		"my.bucket.name": true, strings.Repeat("a", 63): true, "cosv1": true, "accounts-1": true, "a.-b": true,
		"": false, "ab": false, strings.Repeat("a", 64): false, "Abc": false, "a_b": false, "-abc": false, "abc-": false,
		".abc": false, "abc.": false, "a..b": false, "1.2.3.4": false, "999.999.999.999": false,
		"cosv1-x": false, "account-x": false, "büro": false, "a b": false, "a/b": false, "abc\n": false,
	} {
		if err := objects.CheckBucketName(name, false); (err == nil) != valid {
			t.Errorf("%q: %v, want valid %v", name, err, valid)
		} else if err != nil && !errors.Is(err, objects.ErrBucketName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := objects.CheckBucketName("a--b", true); !errors.Is(err, objects.ErrBucketName) {
		t.Errorf("a--b where names are strict: %v", err)
	}
}

func TestLocations(t *testing.T) {
	for _, constraint := range []string{
		"us-south-standard", "eu-de-vault", "us-standard", "ap-cold", "ams03-smart", "jp-tok-flex", "in-che-standard",
		"us-south-onerate_active", "xx-abcde-standard", "us-east1-standard",
	} {
		if got, err := objects.FullLocation(constraint); err != nil || got != constraint {
			t.Errorf("%q: %q, %v", constraint, got, err)
		}
	}
	for _, region := range []string{"us-south", "eu", "ams03", "us-east1"} {
		if got, err := objects.FullLocation(region); err != nil || got != region+"-standard" {
			t.Errorf("the region %q alone: %q, %v", region, got, err)
		}
	}
	for _, constraint := range []string{
		"", "us-east-1", "standard", "us-south-", "us-south-glacier", "usa-south-standard", "us-so-uth-standard", "US-south-standard",
		"ams3-standard", "us-southern-standard", "us-s-standard", "us-east12-standard", "-standard", "u-standard",
	} {
		if got, err := objects.FullLocation(constraint); !errors.Is(err, objects.ErrLocation) {
			t.Errorf("%q: %q, %v", constraint, got, err)
		}
	}
}
