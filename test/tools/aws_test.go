package tools

import (
	"strings"
	"testing"

	"strongroom/test/process"
)

// awsFiles are the commands for files: what goes up comes down, a sync moves only what changed, a link
// works for anybody. Every start of the program costs a second or two of CPU: a line checks what it can.
const awsFiles = `
mkdir -p in/deep out
head -c 9000000 /dev/urandom > in/large
echo one > "in/deep/a b+ü.txt"
: > in/empty
"$aws" s3 mb s3://$bucket
"$aws" s3 sync --no-progress in s3://$bucket/tree/
test -z "$("$aws" s3 sync in s3://$bucket/tree/)"
"$aws" s3 cp --no-progress --recursive s3://$bucket/tree/ out/
diff -r in out
echo piped | "$aws" s3 cp - s3://$bucket/piped
test "$("$aws" s3 cp s3://$bucket/piped -)" = piped
"$aws" s3 mv --no-progress s3://$bucket/piped "s3://$bucket/moved here"
mkdir ~/.aws # of itself the first major version signs links as in 2006
printf '[default]\ns3 =\n  signature_version = s3v4\n' > ~/.aws/config
link=$("$aws" s3 presign "s3://$bucket/moved here" --expires-in 600)
test "$(curl --silent --fail --cacert "$STRONGROOM_CA_FILE" "$link")" = piped
rm in/empty
"$aws" s3 sync --no-progress --delete in s3://$bucket/tree/
"$aws" s3 ls --recursive s3://$bucket/ | wc -l | grep -qx '3'
if "$aws" s3 rb s3://$bucket; then exit 1; fi
"$aws" s3 rb --force s3://$bucket
`

// awsCalls are calls of the protocol: an upload in parts, checksums, a batch to delete.
const awsCalls = `
head -c 5242880 /dev/urandom > part1
echo end > part2
api() { "$aws" s3api "$@" --bucket $bucket; }
api create-bucket
for algorithm in SHA1 SHA256; do
	api put-object --key sum-$algorithm --body part2 --checksum-algorithm $algorithm | jq -e ".Checksum$algorithm"
done
api get-object --key sum-SHA256 --checksum-mode ENABLED back | jq -e .ChecksumSHA256
cmp part2 back
if api put-object --key wrong --body part2 --checksum-sha256 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; then exit 1; fi
upload=$(api create-multipart-upload --key whole --checksum-algorithm CRC32 | jq -r .UploadId)
for n in 1 2; do
	api upload-part --key whole --upload-id $upload --part-number $n --body part$n --checksum-algorithm CRC32 |
		jq "{ETag, ChecksumCRC32, PartNumber: $n}"
done | jq -s '{Parts: .}' > parts.json
api list-parts --key whole --upload-id $upload | jq -e '.Parts | length == 2'
api complete-multipart-upload --key whole --upload-id $upload --multipart-upload file://parts.json |
	jq -e '.ChecksumCRC32 | endswith("-2")'
api get-object --key whole --range bytes=5242880- back
cmp part2 back
left=$(api create-multipart-upload --key left | jq -r .UploadId)
api list-multipart-uploads | jq -e '.Uploads | length == 1'
api abort-multipart-upload --key left --upload-id $left
api list-objects-v2 --prefix sum- --page-size 1 | jq -e '.Contents | length == 2'
api put-object-tagging --key whole --tagging 'TagSet=[{Key=a,Value=b}]'
api get-object-tagging --key whole | jq -e '.TagSet[0].Value == "b"'
api put-bucket-versioning --versioning-configuration Status=Enabled
api delete-object --key whole | jq -e .DeleteMarker
api list-object-versions > versions.json
jq -e '(.Versions | length == 3) and (.DeleteMarkers | length == 1)' versions.json
jq '{Objects: [(.Versions[], .DeleteMarkers[]) | {Key, VersionId}]}' versions.json > all.json
api delete-objects --delete file://all.json | jq -e '.Errors == null'
api delete-bucket
`

func testAWS(t *testing.T, s *process.Server) {
	aws := "aws=" + find(t, "aws")
	shell(t, s, awsFiles, aws)
	shell(t, s, awsCalls, aws)
	// A wrong secret gets a refusal that the tool can name.
	said := shell(t, s, `AWS_SECRET_ACCESS_KEY=wrong "$aws" s3 ls 2>&1 || true`, aws)
	if !strings.Contains(said, "SignatureDoesNotMatch") {
		t.Errorf("a wrong secret: %s", said)
	}
}
