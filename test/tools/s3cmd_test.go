package tools

import (
	"testing"

	"strongroom/test/process"
)

const s3cmdFiles = `
cat > s3cfg <<END
[default]
access_key = $AWS_ACCESS_KEY_ID
secret_key = $AWS_SECRET_ACCESS_KEY
host_base = ${STRONGROOM_S3_URL#https://}
host_bucket = ${STRONGROOM_S3_URL#https://}
bucket_location = us-south-standard
ca_certs_file = $SSL_CERT_FILE
multipart_chunk_size_mb = 5
max_retries = 0
END
s3cmd() { "$s3cmd" --config s3cfg --no-progress "$@"; }
mkdir -p in/deep out
head -c 7000000 /dev/urandom > in/large
echo one > "in/deep/a b+ü.txt"
s3cmd mb s3://$bucket
s3cmd put in/large s3://$bucket/put
s3cmd get s3://$bucket/put got
cmp in/large got
s3cmd sync in/ s3://$bucket/tree/
test "$(s3cmd ls --recursive s3://$bucket/tree/ | wc -l)" = 2
s3cmd sync s3://$bucket/tree/ out/
diff -r in out
s3cmd cp s3://$bucket/put s3://$bucket/copied
s3cmd mv s3://$bucket/copied "s3://$bucket/moved here"
s3cmd info "s3://$bucket/moved here" | grep 'File size: *7000000'
s3cmd del s3://$bucket/put
if s3cmd get s3://$bucket/put gone; then exit 1; fi
s3cmd del --recursive --force s3://$bucket/
s3cmd rb s3://$bucket
`

func testS3cmd(t *testing.T, s *process.Server) {
	shell(t, s, s3cmdFiles, "s3cmd="+find(t, "s3cmd"))
}
