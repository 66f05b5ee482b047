#include "aws/answer.h"

#include "aws/xml.h"
#include "json/json.h"

#include <stdlib.h>

enum { ARENA_BYTES = 16 * 1024, XML_JSON_BYTES_MAX = 8 << 20 };

/* ---- errors by name ---- */

static const struct error_name {
    const char *name; /* without "Exception" */
    enum aws_outcome outcome;
} error_names[] = {
    {"ProvisionedThroughputExceeded", AWS_THROTTLED},
    {"Throttling", AWS_THROTTLED},
    {"Throttled", AWS_THROTTLED},
    {"KMS.Throttling", AWS_THROTTLED},
    {"RequestThrottled", AWS_THROTTLED},
    {"RequestLimitExceeded", AWS_THROTTLED},
    {"BandwidthLimitExceeded", AWS_THROTTLED},
    {"LimitExceeded", AWS_THROTTLED},
    {"TooManyRequests", AWS_THROTTLED},
    {"SlowDown", AWS_THROTTLED},
    {"KmsThrottled", AWS_THROTTLED},
    {"KMSThrottling", AWS_THROTTLED},
    {"OverLimit", AWS_THROTTLED},

    {"InternalServerError", AWS_UNAVAILABLE},
    {"InternalServer", AWS_UNAVAILABLE},
    {"InternalFailure", AWS_UNAVAILABLE},
    {"InternalError", AWS_UNAVAILABLE},
    {"ServiceUnavailable", AWS_UNAVAILABLE},
    {"RequestTimeout", AWS_UNAVAILABLE},
    {"PriorRequestNotComplete", AWS_UNAVAILABLE},

    {"TransactionConflict", AWS_CONFLICT},
    {"TransactionInProgress", AWS_CONFLICT},
    {"TransactionCanceled", AWS_CONFLICT},
    {"ReplicatedWriteConflict", AWS_CONFLICT},
    {"OperationAborted", AWS_CONFLICT},
    {"ConcurrentModification", AWS_CONFLICT},

    {"Validation", AWS_INVALID},
    {"ValidationError", AWS_INVALID},
    {"Serialization", AWS_INVALID},
    {"ItemCollectionSizeLimitExceeded", AWS_INVALID},
    {"IdempotentParameterMismatch", AWS_INVALID},
    {"InvalidParameterValue", AWS_INVALID},
    {"InvalidParameterCombination", AWS_INVALID},
    {"InvalidParameter", AWS_INVALID},
    {"ParameterValueInvalid", AWS_INVALID},
    {"InvalidRequestContent", AWS_INVALID},
    {"InvalidArgument", AWS_INVALID},
    {"InvalidAttributeValue", AWS_INVALID},
    {"MissingParameter", AWS_INVALID},
    {"InvalidMessageContents", AWS_INVALID},
    {"BatchRequestTooLong", AWS_INVALID},
    {"MessageTooLong", AWS_INVALID},
    {"RequestEntityTooLarge", AWS_INVALID},
    {"RequestTooLarge", AWS_INVALID},

    {"AccessDenied", AWS_DENIED},
    {"UnrecognizedClient", AWS_DENIED},
    {"InvalidClientTokenId", AWS_DENIED},
    {"InvalidAccessKeyId", AWS_DENIED},
    {"MissingAuthenticationToken", AWS_DENIED},
    {"ExpiredToken", AWS_DENIED},
    {"IncompleteSignature", AWS_DENIED},
    {"InvalidSignature", AWS_DENIED},
    {"SignatureDoesNotMatch", AWS_DENIED},
    {"RequestExpired", AWS_DENIED},
    {"RequestTimeTooSkewed", AWS_DENIED},
    {"RequestInTheFuture", AWS_DENIED},
    {"NotAuthorized", AWS_DENIED},
    {"AuthorizationError", AWS_DENIED},
    {"AuthFailure", AWS_DENIED},
    {"InvalidSecurity", AWS_DENIED},
    {"OptInRequired", AWS_DENIED},
    {"SubscriptionRequired", AWS_DENIED},
    {"KmsAccessDenied", AWS_DENIED},
    {"KmsDisabled", AWS_DENIED},
    {"KmsInvalidKeyUsage", AWS_DENIED},
    {"KmsInvalidState", AWS_DENIED},
    {"KmsNotFound", AWS_DENIED},
    {"KmsOptInRequired", AWS_DENIED},
    {"KMSAccessDenied", AWS_DENIED},
    {"KMSDisabled", AWS_DENIED},
    {"KMSInvalidState", AWS_DENIED},
    {"KMSOptInRequired", AWS_DENIED},
    {"KMSNotFound", AWS_DENIED},

    {"ResourceNotFound", AWS_MISSING},
    {"TableNotFound", AWS_MISSING},
    {"QueueDoesNotExist", AWS_MISSING},
    {"AWS.SimpleQueueService.NonExistentQueue", AWS_MISSING},
    {"NotFound", AWS_MISSING},

    {"ConditionalCheckFailed", AWS_CONDITION},
};

static weir_str without_exception(weir_str type)
{
    if (str_ends(type, STR("Exception")))
        type.len -= strlen("Exception");
    return type;
}

static bool is_one_of(weir_str type, const char *const *names)
{
    return str_is_one_of(without_exception(type), names);
}

enum aws_outcome error_outcome(int status, weir_str type)
{
    weir_str name = without_exception(type);
    for (size_t i = 0; i < sizeof error_names / sizeof *error_names; i++)
        if (str_is(name, error_names[i].name))
            return error_names[i].outcome;
    if (status == 429)
        return AWS_THROTTLED;
    if (status == 413)
        return AWS_INVALID;
    if (status >= 500)
        return AWS_UNAVAILABLE;
    if (type.len)
        return AWS_ERROR;
    /* An answer that names no error is not from the service: a redirect, a proxy, a wrong address.
     */
    return status == 401 || status == 403 ? AWS_DENIED : AWS_UNAVAILABLE;
}

/* What each outcome means for a record. A plugin may know better. */
int32_t aws_record_outcome(enum aws_outcome outcome)
{
    switch (outcome) {
    case AWS_OK:
        return WEIR_OK;
    case AWS_INVALID:
    case AWS_CONDITION:
        return WEIR_FAIL;
    case AWS_THROTTLED:
    case AWS_UNAVAILABLE:
    case AWS_DENIED:
    case AWS_MISSING:
        return WEIR_DOWN;
    case AWS_AMBIGUOUS:
    case AWS_CONFLICT:
    case AWS_ERROR:
    case AWS_ABORTED:
        break;
    }
    return WEIR_RETRY;
}

/* ---- reading ---- */

static void fail(struct aws_call *call, enum aws_outcome outcome, const char *type, const char *why)
{
    call->outcome = outcome;
    call->error_type = str_of(type);
    call->error_message = str_of(why);
}

static bool checksum_ok(const struct http_call *http, const struct crc32 *crc)
{
    weir_str text = http_answer_header(http, "x-amz-crc32");
    uint64_t expected = 0;
    if (text.len == 0)
        return true;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || i == 10)
            return false;
        expected = expected * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    return expected == crc32_of(crc, http->answer.ptr, http->answer.len);
}

static bool looks_whole(weir_str body)
{
    while (body.len && strchr(" \t\r\n", body.ptr[body.len - 1]))
        body.len--;
    while (body.len && strchr(" \t\r\n", *body.ptr))
        body = (weir_str){body.ptr + 1, body.len - 1};
    return body.len >= 2 && body.ptr[0] == '{' && body.ptr[body.len - 1] == '}';
}

void answer_reader_init(struct answer_reader *reader)
{
    crc32_init(&reader->crc);
    arena_init(&reader->arena, ARENA_BYTES);
    buf_init(&reader->json, XML_JSON_BYTES_MAX);
}

void answer_reader_done(struct answer_reader *reader)
{
    arena_done(&reader->arena);
    buf_done(&reader->json);
}

static const struct json_value *parse_object(struct arena *arena, weir_str body)
{
    struct json_error error;
    arena_reset(arena);
    if (!looks_whole(body))
        return NULL;
    const struct json_value *root = json_parse(arena, body, JSON_KEEP_DUPLICATES, 0, &error);
    return root && root->kind == JSON_OBJECT ? root : NULL;
}

/* "com.amazonaws.dynamodb.v20120810#ValidationException:http://..." -> "ValidationException" */
static weir_str last_part(weir_str type)
{
    const char *colon = type.len ? memchr(type.ptr, ':', type.len) : NULL;
    if (colon)
        type.len = (size_t)(colon - type.ptr);
    for (size_t i = type.len; i > 0; i--)
        if (type.ptr[i - 1] == '#')
            return (weir_str){type.ptr + i, type.len - i};
    return type;
}

static weir_str first_text(const struct json_value *root, const char *a, const char *b)
{
    weir_str text = json_text(root, a);
    return text.len ? text : json_text(root, b);
}

/* An XML answer becomes the JSON that says the same: call->answer points at that then. */
static bool convert(struct answer_reader *reader, struct aws_call *call)
{
    buf_reset(&reader->json);
    if (xml_to_json(call->answer, &reader->json) < 0)
        return false;
    call->answer = buf_str(&reader->json);
    return true;
}

/* <ErrorResponse><Error><Code/><Message/>, in JSON. */
static const struct json_value *query_error(const struct json_value *root)
{
    const struct json_value *response = json_member0(root, "ErrorResponse");
    return response ? json_member0(response, "Error") : root;
}

static void read_error(struct answer_reader *reader, const struct http_call *http,
                       struct aws_call *call)
{
    bool query = call->protocol == AWS_QUERY && convert(reader, call);
    const struct json_value *root = parse_object(&reader->arena, call->answer);
    if (query)
        root = query_error(root);
    weir_str type = query ? json_text(root, "Code") : first_text(root, "__type", "code");
    if (!type.len)
        type = http_answer_header(http, "x-amzn-errortype");
    call->error_type = last_part(type);
    call->error_message = first_text(root, "message", "Message");
    call->outcome = error_outcome(http->status, call->error_type);
    if (call->error_type.len == 0)
        call->error_type = http->status >= 300 && http->status < 400 ? STR("Redirect")
                           : http->status >= 500                     ? STR("ServerError")
                                                                     : STR("NotFromService");
    if (call->error_message.len == 0)
        call->error_message = STR("the answer holds no message");
}

static bool is_whole(struct answer_reader *reader, struct aws_call *call)
{
    switch (call->protocol) {
    case AWS_REST:
        return true; /* what it is, its caller knows */
    case AWS_QUERY:
        return convert(reader, call);
    case AWS_JSON:
        break;
    }
    return call->raw_answer ? looks_whole(call->answer)
                            : parse_object(&reader->arena, call->answer) != NULL;
}

static void read_answer(struct answer_reader *reader, const struct http_call *http,
                        struct aws_call *call)
{
    bool rest = call->protocol == AWS_REST && http->status > 200 && http->status < 300;
    call->sent = true;
    call->request_id = http_answer_header(http, "x-amzn-requestid");
    call->answer_headers = buf_str(&http->answer_headers);
    if (!checksum_ok(http, &reader->crc))
        fail(call, AWS_AMBIGUOUS, "ChecksumMismatch", "the answer does not match its x-amz-crc32");
    else if (http->status != 200 && !rest)
        read_error(reader, http, call);
    else if (!is_whole(reader, call))
        fail(call, AWS_AMBIGUOUS, "InvalidAnswer",
             call->protocol == AWS_QUERY ? "status 200, but not one whole XML document"
                                         : "status 200, but not one whole JSON object");
    else
        call->outcome = AWS_OK;
}

void answer_read(struct answer_reader *reader, const struct http_call *http, struct aws_call *call)
{
    call->status = http->status;
    call->answer = buf_str(&http->answer);
    call->answer_buf = NULL;
    call->error_type = call->error_message = call->request_id = call->answer_headers = STR_NONE;
    call->sent = http->result == HTTP_AMBIGUOUS || http->result == HTTP_TIMEOUT ||
                 http->result == HTTP_TOO_LARGE || http->result == HTTP_ABORTED;
    switch (http->result) {
    case HTTP_DONE:
        read_answer(reader, http, call);
        return;
    case HTTP_UNREACHABLE:
        fail(call, AWS_UNAVAILABLE, "NoConnection", http->reason);
        break;
    case HTTP_AMBIGUOUS:
        fail(call, AWS_AMBIGUOUS, "AnswerLost", http->reason);
        break;
    case HTTP_TIMEOUT:
        fail(call, AWS_AMBIGUOUS, "Timeout", http->reason);
        break;
    case HTTP_TOO_LARGE:
        fail(call, AWS_AMBIGUOUS, "AnswerTooLarge", http->reason);
        break;
    case HTTP_ABORTED:
        fail(call, AWS_ABORTED, "Aborted", "aborted");
        break;
    case HTTP_INVALID:
        /* Not the record's doing: the endpoint or the CA bundle. */
        fail(call, AWS_UNAVAILABLE, "NotSendable", http->reason);
        break;
    }
    call->answer = STR_NONE; /* what came of it is no answer */
}

/* ---- what may follow ---- */

bool answer_retryable(const struct aws_call *call)
{
    static const char *const never[] = {"NotSendable", "AnswerTooLarge", "Redirect",
                                        "NotFromService", NULL};
    if (is_one_of(call->error_type, never))
        return false;
    if (str_is(without_exception(call->error_type), "TransactionInProgress"))
        return true;
    return call->outcome == AWS_THROTTLED || call->outcome == AWS_UNAVAILABLE ||
           call->outcome == AWS_AMBIGUOUS;
}

bool answer_blames_clock(const struct aws_call *call)
{
    static const char *const names[] = {"RequestTimeTooSkewed",
                                        "RequestExpired",
                                        "RequestInTheFuture",
                                        "InvalidSignature",
                                        "SignatureDoesNotMatch",
                                        "AuthFailure",
                                        NULL};
    return call->outcome == AWS_DENIED && is_one_of(call->error_type, names);
}

bool answer_blames_keys(const struct aws_call *call)
{
    static const char *const names[] = {"ExpiredToken", "InvalidClientTokenId",
                                        "UnrecognizedClient", NULL};
    return call->outcome == AWS_DENIED && is_one_of(call->error_type, names);
}
