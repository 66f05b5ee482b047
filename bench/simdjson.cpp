// The same hits through simdjson On-Demand, the fastest reader there is: bench_simdjson FILE
#include "harness.h"

#include <simdjson.h>
#include <string_view>

using namespace simdjson;

static char *body;
static size_t body_bytes;
static ondemand::parser parser;

struct change {
    std::string_view product, before, after;
    int64_t seconds = 0;
};

static std::string_view price_of(ondemand::object image)
{
    for (auto field : image)
        if (field.unescaped_key().value() == "price")
            return field.value()["N"].get_string().value();
    return {};
}

static void read_change(ondemand::object object, change &out)
{
    for (auto field : object) {
        std::string_view name = field.unescaped_key().value();
        if (name == "Keys")
            out.product = field.value()["product_id"]["S"].get_string().value();
        else if (name == "ApproximateCreationDateTime")
            out.seconds = static_cast<int64_t>(field.value().get_double().value());
        else if (name == "OldImage")
            out.before = price_of(field.value().get_object().value());
        else if (name == "NewImage")
            out.after = price_of(field.value().get_object().value());
    }
}

static void pass(struct tally *tally)
{
    padded_string_view view(body, body_bytes, body_bytes + PADDING);
    ondemand::document document = parser.iterate(view);
    tally->records = tally->hits = 0;
    for (ondemand::object record : document["Records"]) {
        std::string_view id, event;
        change seen;
        for (auto field : record) {
            std::string_view name = field.unescaped_key().value();
            if (name == "eventID")
                id = field.value().get_string().value();
            else if (name == "eventName")
                event = field.value().get_string().value();
            else if (name == "dynamodb")
                read_change(field.value().get_object().value(), seen);
        }
        tally->records++;
        if (event != "MODIFY" || seen.before == seen.after)
            continue;
        tally->hits++;
        if (!tally->want_checksum)
            continue;
        tally_text(tally, seen.product.data(), seen.product.size());
        tally_seconds(tally, seen.seconds);
        tally_text(tally, seen.before.data(), seen.before.size());
        tally_text(tally, seen.after.data(), seen.after.size());
        tally_text(tally, id.data(), id.size());
    }
}

static void *plain_malloc(size_t bytes)
{
    return malloc(bytes);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    body = load_body(argv[1], plain_malloc, &body_bytes);
    run_bench("simdjson", body_bytes, pass);
    free(body);
    return 0;
}
