package tools

import (
	"testing"

	"strongroom/test/process"
)

// rcloneTree is what rclone is used for: trees of files are copied, compared, kept equal and purged.
const rcloneTree = `
unset AWS_CA_BUNDLE # which Debian's rclone fails to read, though it is right; SSL_CERT_FILE does
rclone() { "$rclone" --config rclone.conf --retries 1 "$@"; }
mkdir -p in/deep
head -c 7000000 /dev/urandom > in/large
echo one > "in/deep/a b+ü.txt"
: > in/empty
rclone mkdir cos:$bucket
rclone copy --s3-upload-cutoff 5M in cos:$bucket/tree
rclone check --download in cos:$bucket/tree
test "$(rclone lsjson -R --files-only cos:$bucket/tree | jq length)" = 3
rclone lsjson -R --files-only cos:$bucket/tree | jq -e 'map(select(.Path == "large"))[0].Size == 7000000'
rm in/empty
echo two > in/deep/second
rclone sync in cos:$bucket/tree
rclone check in cos:$bucket/tree
rclone copyto cos:$bucket/tree/deep/second cos:$bucket/copied
rclone move cos:$bucket/tree/deep cos:$bucket/moved
rclone sync cos:$bucket/moved out
diff -r in/deep out
rclone purge cos:$bucket
if rclone lsjson cos:$bucket; then exit 1; fi
`

func testRcloneHMAC(t *testing.T, s *process.Server) {
	shell(t, s, `cat > rclone.conf <<END
[cos]
type = s3
provider = IBMCOS
access_key_id = $AWS_ACCESS_KEY_ID
secret_access_key = $AWS_SECRET_ACCESS_KEY
endpoint = $STRONGROOM_S3_URL
region = $AWS_REGION
END
`+rcloneTree, "rclone="+find(t, "rclone"))
}

// testRcloneIAM logs in with an API key: a token for every request.
func testRcloneIAM(t *testing.T, s *process.Server) {
	shell(t, s, `cat > rclone.conf <<END
[cos]
type = s3
provider = IBMCOS
v2_auth = true
ibm_api_key = $STRONGROOM_API_KEY
ibm_resource_instance_id = $STRONGROOM_COS_INSTANCE_CRN
ibm_iam_endpoint = $STRONGROOM_URL
endpoint = $STRONGROOM_S3_URL
region = other-v4-signature
END
`+rcloneTree, "rclone="+find(t, "rclone-ibm"))
}
