/* What a client knows of its surroundings, for people. */
#include "aws/chain.h"
#include "aws/internal.h"

struct aws_view aws_client_view(struct aws_client *client, const char *service)
{
    const struct credential_chain *chain = aws_client_chain(client);
    const struct endpoint *endpoint = aws_client_endpoints(client);
    struct aws_view view = {0};
    if (chain->current.access_key)
        view.credentials = chain->providers[chain->asked]->name;
    while (endpoint && strcmp(endpoint->service, service) != 0)
        endpoint = endpoint->next;
    if (endpoint) {
        view.url = endpoint->url;
        view.skew_us = endpoint->skew_us;
    }
    return view;
}
