package s3_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/crn"
	"strongroom/objects"
)

const instanceCRN = "crn:v1:bluemix:public:cloud-object-storage:global:a/f00:" + instanceID

// TestListsOfBuckets has the documents of both forms. Terraform panics if a bucket of the second has no
// location.
func TestListsOfBuckets(t *testing.T) {
	h := newBucketHouse(t)
	h.buckets, h.more = []objects.Bucket{h.bucket.Bucket}, true
	for _, name := range []string{instanceID, instanceCRN, instanceCRN + "::", instanceCRN + ":"} {
		_, got := h.ok(200, "GET", "/?x-id=ListBuckets", "", "Ibm-Service-Instance-Id", name)
		want := head + `<ListAllMyBucketsResult` + ns + `><Owner><ID>` + instanceID + `</ID><DisplayName>` + instanceID + `</DisplayName></Owner>` +
			`<Buckets><Bucket><Name>apiary</Name><CreationDate>2026-08-18T14:21:36.593Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>`
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(objects.ListBuckets{Instance: instanceID}, h.asked); diff != "" {
			t.Fatal(diff)
		}
	}
	_, got := h.ok(200, "GET", "/?extended=&prefix=a&marker=aa&max-keys=5000", "", "Ibm-Service-Instance-Id", instanceCRN)
	want := head + `<ListAllMyBucketsResult` + ns + `><Owner><ID>` + instanceID + `</ID><DisplayName>` + instanceID + `</DisplayName></Owner>` +
		`<IsTruncated>true</IsTruncated><MaxKeys>1000</MaxKeys><Prefix>a</Prefix><Marker>aa</Marker>` +
		`<Buckets><Bucket><Name>apiary</Name><CreationDate>2026-08-18T14:21:36.593Z</CreationDate><LocationConstraint>us-south-standard</LocationConstraint></Bucket></Buckets></ListAllMyBucketsResult>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(objects.ListBuckets{Instance: instanceID, Prefix: "a", After: "aa", Limit: 1000}, h.asked); diff != "" {
		t.Error(diff)
	}

	if got := h.fails(400, "InvalidArgument", "GET", "/", ""); !strings.Contains(got, "ibm-service-instance-id") {
		t.Errorf("the message does not name the header: %q", got)
	}
	h.fails(400, "InvalidArgument", "GET", "/", "", "Ibm-Service-Instance-Id", "crn:v1:bluemix:public:kms:us-south:a/f00:"+instanceID+"::")
	h.fails(400, "InvalidArgument", "GET", "/?extended&max-keys=-1", "", "Ibm-Service-Instance-Id", instanceID)
}

func TestCreationOfBuckets(t *testing.T) {
	const body = `<CreateBucketConfiguration><LocationConstraint>eu-de-smart</LocationConstraint></CreateBucketConfiguration>`
	for _, c := range []struct {
		name, body string
		header     []string
		want       objects.NewBucket
	}{
		{"plain", "", nil, objects.NewBucket{}},
		{"with a location", body, nil, objects.NewBucket{Location: "eu-de-smart"}},
		{"without an element", `<CreateBucketConfiguration` + ns + `/>`, nil, objects.NewBucket{}},
		{"with a root key", body, []string{
			"Ibm-Sse-Kp-Encryption-Algorithm", `"AES256"`, "Ibm-Sse-Kp-Customer-Root-Key-Crn", rootCRN,
		}, objects.NewBucket{Location: "eu-de-smart", Root: rootCRN}},
		{"with an alias of a root key", "", []string{
			"Ibm-Sse-Kp-Encryption-Algorithm", "AES256", "Ibm-Sse-Kp-Customer-Root-Key-Crn", aliasCRN,
		}, objects.NewBucket{Root: aliasCRN}},
		{"locked", "", []string{"X-Amz-Bucket-Object-Lock-Enabled", "true", "X-Amz-Acl", "public-read"}, objects.NewBucket{Lock: true, ACL: objects.ACLPublicRead}},
		{"not locked, as rclone says it", "", []string{"X-Amz-Bucket-Object-Lock-Enabled", "false", "X-Amz-Acl", "private"}, objects.NewBucket{}},
		{"locked in another spelling, which is ignored", "", []string{"X-Amz-Bucket-Object-Lock-Enabled", "True"}, objects.NewBucket{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newBucketHouse(t)
			header, got := h.ok(200, "PUT", "/apiary", c.body, append(c.header, "Ibm-Service-Instance-Id", instanceCRN+"::")...)
			if got != "" || header.Get("Location") != "/apiary" {
				t.Errorf("answered %q with %v", got, header)
			}
			c.want.Name, c.want.Instance = "apiary", instanceID
			if diff := cmp.Diff(c.want, h.created); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, c := range []struct {
		name, code, body, message string
		header                    []string
	}{
		{"a root key alone", "InvalidArgument", "", "ncryption-Algorithm", []string{"Ibm-Sse-Kp-Customer-Root-Key-Crn", rootCRN}},
		{"an algorithm alone", "InvalidArgument", "", "Root-Key-Crn", []string{"Ibm-Sse-Kp-Encryption-Algorithm", "AES256"}},
		{"another algorithm", "InvalidArgument", "", "", []string{"Ibm-Sse-Kp-Encryption-Algorithm", "AES128", "Ibm-Sse-Kp-Customer-Root-Key-Crn", rootCRN}},
		{
			"the CRN of an instance", "InvalidArgument", "", `The resource type is missing or the specified value is not valid. Supported value: "key".`,
			[]string{"Ibm-Sse-Kp-Encryption-Algorithm", "AES256", "Ibm-Sse-Kp-Customer-Root-Key-Crn", "crn:v1:bluemix:public:kms:us-south:a/f00:" + instanceID + "::"},
		},
		{
			"a key of hs-crypto", "InvalidRequest", "", "Server Side Encryption with hs-crypto is not enabled.",
			[]string{"Ibm-Sse-Kp-Encryption-Algorithm", "AES256", "Ibm-Sse-Kp-Customer-Root-Key-Crn", strings.Replace(rootCRN, ":kms:", ":hs-crypto:", 1)},
		},
		{"another ACL", "InvalidArgument", "", "", []string{"X-Amz-Acl", "public-read-write"}},
		{"another document", "MalformedXML", `<Bucket/>`, "", nil},
		{"a wrong digest", "BadDigest", body, "", []string{"Content-Md5", md5Of("x")}},
	} {
		h := newBucketHouse(t)
		got := h.fails(400, c.code, "PUT", "/apiary", c.body, append(c.header, "Ibm-Service-Instance-Id", instanceID)...)
		if !strings.Contains(got, c.message) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

// TestRootKeyOfABucketIsShown: under all three names, and in lists too.
func TestRootKeyOfABucketIsShown(t *testing.T) {
	h := newBucketHouse(t)
	header, _ := h.ok(200, "HEAD", "/apiary", "")
	if _, ok := header["Ibm-Sse-Kp-Enabled"]; ok || header.Get("Ibm-Sse-Kp-Crk-Id") != "" {
		t.Errorf("a bucket without a root key shows one: %v", header)
	}
	root, err := crn.Parse(rootCRN)
	if err != nil {
		t.Fatal(err)
	}
	h.bucket.Root = root
	for _, target := range [][2]string{{"HEAD", "/apiary"}, {"GET", "/apiary"}, {"GET", "/apiary?list-type=2"}} {
		header, _ := h.ok(200, target[0], target[1], "")
		if header.Get("Ibm-Sse-Kp-Enabled") != "True" || header.Get("Ibm-Sse-Kp-Customer-Root-Key-Crn") != rootCRN || header.Get("Ibm-Sse-Kp-Crk-Id") != rootCRN {
			t.Errorf("%v shows %v", target, header)
		}
	}
	if resp := h.request("HEAD", "/missing", ""); resp.StatusCode != 404 {
		t.Errorf("a missing bucket has status %d", resp.StatusCode)
	}
	h.fails(409, "BucketNotEmpty", "DELETE", "/apiary", "")
}

func TestListsOfObjects(t *testing.T) {
	h := newBucketHouse(t)
	h.listing = objects.Listing{
		Objects: []objects.Object{
			{Key: "a b+&\x01/ü", Size: 5, Modified: created, ETag: "0cc175b9c0f1b6a831c399e269772661", Checksums: objects.Checksums{Algorithm: objects.CRC64NVME, Value: "x"}},
			{Key: "z", Modified: created, ETag: "e-2", Checksums: objects.Checksums{Algorithm: objects.SHA256, Composite: true}, Archive: objects.Archive{Storage: "GLACIER", At: created}},
		},
		Prefixes: []string{"p/"}, Truncated: true, Next: "z",
	}
	const owner = `<Owner><ID>` + instanceID + `</ID><DisplayName>` + instanceID + `</DisplayName></Owner>`
	entries := func(first, own string) string {
		return `<Contents><Key>` + first + `</Key><LastModified>2026-08-18T14:21:36.593Z</LastModified><ETag>"0cc175b9c0f1b6a831c399e269772661"</ETag>` +
			`<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size><StorageClass>STANDARD</StorageClass>` + own + `</Contents>` +
			`<Contents><Key>z</Key><LastModified>2026-08-18T14:21:36.593Z</LastModified><ETag>"e-2"</ETag>` +
			`<ChecksumAlgorithm>SHA256</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType><Size>0</Size><StorageClass>GLACIER</StorageClass>` + own + `</Contents>` +
			`<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>`
	}
	const raw, encoded = `a b+&amp;&#x1;/ü`, `a%20b%2B%26%01/%C3%BC`
	for _, c := range []struct {
		query, want string
		asked       objects.List
	}{
		{
			"marker=k", `<Name>apiary</Name><Marker>k</Marker><MaxKeys>1000</MaxKeys><Prefix></Prefix><IsTruncated>true</IsTruncated>` + entries(raw, owner),
			objects.List{After: "k", Limit: 1000},
		},
		{
			"delimiter=%2F&prefix=a+&encoding-type=url&max-keys=7",
			`<Name>apiary</Name><Marker></Marker><MaxKeys>7</MaxKeys><Prefix>a%20</Prefix><Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextMarker>z</NextMarker>` + entries(encoded, owner),
			objects.List{Prefix: "a ", Delimiter: "/", Limit: 7},
		},
		{
			"list-type=2&start-after=k&fetch-owner=true",
			`<Name>apiary</Name><StartAfter>k</StartAfter><KeyCount>3</KeyCount><MaxKeys>1000</MaxKeys><Prefix></Prefix><IsTruncated>true</IsTruncated><NextContinuationToken>MXo</NextContinuationToken>` + entries(raw, owner),
			objects.List{After: "k", Limit: 1000},
		},
		{
			"list-type=2&start-after=k&continuation-token=MXo&max-keys=0",
			`<Name>apiary</Name><StartAfter>k</StartAfter><ContinuationToken>MXo</ContinuationToken><KeyCount>3</KeyCount><MaxKeys>0</MaxKeys><Prefix></Prefix><IsTruncated>true</IsTruncated><NextContinuationToken>MXo</NextContinuationToken>` + entries(raw, ""),
			objects.List{After: "z", Limit: 0},
		},
	} {
		_, got := h.ok(200, "GET", "/apiary?"+c.query, "")
		if diff := cmp.Diff(head+`<ListBucketResult`+ns+`>`+c.want, got); diff != "" {
			t.Errorf("%s: %s", c.query, diff)
		}
		c.asked.Bucket = "apiary"
		if diff := cmp.Diff(c.asked, h.listed); diff != "" {
			t.Errorf("%s: %s", c.query, diff)
		}
	}
	for _, query := range []string{"max-keys=x", "max-keys=-1", "encoding-type=base64", "list-type=2&continuation-token=k", "versions&version-id-marker=v"} {
		h.fails(400, "InvalidArgument", "GET", "/apiary?"+query, "")
	}
}

func TestListsOfVersions(t *testing.T) {
	h := newBucketHouse(t)
	h.listing = objects.Listing{
		Objects: []objects.Object{
			{Key: "k", Version: "0af0", Latest: true, Marker: true, Modified: created},
			{Key: "k", Version: objects.NullVersion, Size: 5, Modified: created, ETag: "e"},
		},
		Truncated: true, Next: "k", NextVersion: objects.NullVersion,
	}
	_, got := h.ok(200, "GET", "/apiary?versions&key-marker=j&version-id-marker=0b", "")
	const owner = `<Owner><ID>` + instanceID + `</ID><DisplayName>` + instanceID + `</DisplayName></Owner>`
	want := head + `<ListVersionsResult` + ns + `><Name>apiary</Name><KeyMarker>j</KeyMarker><VersionIdMarker>0b</VersionIdMarker><MaxKeys>1000</MaxKeys><Prefix></Prefix><IsTruncated>true</IsTruncated>` +
		`<NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker>` +
		`<DeleteMarker><Key>k</Key><VersionId>0af0</VersionId><IsLatest>true</IsLatest><LastModified>2026-08-18T14:21:36.593Z</LastModified>` + owner + `</DeleteMarker>` +
		`<Version><Key>k</Key><VersionId>null</VersionId><IsLatest>false</IsLatest><LastModified>2026-08-18T14:21:36.593Z</LastModified><ETag>"e"</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass>` + owner + `</Version></ListVersionsResult>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(objects.List{Bucket: "apiary", After: "j", Version: "0b", Limit: 1000, Versions: true}, h.listed); diff != "" {
		t.Error(diff)
	}
}

func TestListsOfUploads(t *testing.T) {
	h := newBucketHouse(t)
	h.uploads = objects.UploadListing{
		Uploads:  []objects.Upload{{Key: "k", ID: "u1", Initiator: "IBMid-1", Started: created}},
		Prefixes: []string{"p/"}, Truncated: true, Next: "k", NextUpload: "u1",
	}
	_, got := h.ok(200, "GET", "/apiary?uploads&max-uploads=1", "")
	want := head + `<ListMultipartUploadsResult` + ns + `><Bucket>apiary</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u1</NextUploadIdMarker>` +
		`<MaxUploads>1</MaxUploads><Prefix></Prefix><IsTruncated>true</IsTruncated><Upload><Key>k</Key><UploadId>u1</UploadId><Initiator><ID>IBMid-1</ID><DisplayName>IBMid-1</DisplayName></Initiator>` +
		`<Owner><ID>` + instanceID + `</ID><DisplayName>` + instanceID + `</DisplayName></Owner><StorageClass>STANDARD</StorageClass><Initiated>2026-08-18T14:21:36.593Z</Initiated></Upload>` +
		`<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListMultipartUploadsResult>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRemovalOfMany(t *testing.T) {
	h := newBucketHouse(t)
	h.outcome = []objects.Removed{
		{Key: "a&b"},
		{Key: "k", Version: "v1"},
		{Key: "k", Version: "m1", Marker: true, Made: true},
		{Key: "held", Err: fmt.Errorf("removing: %w", objects.ErrProtected)},
	}
	const sent = `<Delete><Object><Key>a&amp;b</Key></Object><Object><VersionId>v1</VersionId><Key>k</Key></Object><Object><Key>k</Key></Object><Object><Key>held</Key><VersionId>v2</VersionId></Object>`
	_, got := h.ok(200, "POST", "/apiary?delete=", sent+`</Delete>`, "X-Amz-Bypass-Governance-Retention", "true")
	const failure = `<Error><Key>held</Key><VersionId>v2</VersionId><Code>AccessDenied</Code><Message>Access Denied: the object is protected by retention or a legal hold.</Message></Error>`
	want := head + `<DeleteResult` + ns + `><Deleted><Key>a&amp;b</Key></Deleted><Deleted><Key>k</Key><VersionId>v1</VersionId></Deleted>` +
		`<Deleted><Key>k</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m1</DeleteMarkerVersionId></Deleted>` + failure + `</DeleteResult>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	asked := []objects.Remove{{Key: "a&b"}, {Key: "k", Version: "v1"}, {Key: "k"}, {Key: "held", Version: "v2"}}
	for i := range asked {
		asked[i].Bucket, asked[i].Bypass = "apiary", true
	}
	if diff := cmp.Diff(asked, h.removed); diff != "" {
		t.Error(diff)
	}
	if _, got := h.ok(200, "POST", "/apiary?delete", sent+`<Quiet>True</Quiet></Delete>`); got != head+`<DeleteResult`+ns+`>`+failure+`</DeleteResult>` {
		t.Errorf("a quiet removal says %s", got)
	}
	h.fails(400, "MalformedXML", "POST", "/apiary?delete", `<Delete>`+strings.Repeat(`<Object><Key>k</Key></Object>`, 1001)+`</Delete>`)
	h.fails(400, "MalformedXML", "POST", "/apiary?delete", `<Delete></Delete>`)
	h.fails(400, "MalformedXML", "POST", "/apiary?delete", `<Delete><Object></Object></Delete>`)
}
