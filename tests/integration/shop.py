"""A shop's afternoon: writes to a Products table, many within a second, and what the price history must
then hold."""
import random

PRODUCTS, WRITES = 20, 600


def n(text):
    return {"N": str(text)}


def writes(seed=3, count=WRITES, products=PRODUCTS, name="product"):
    """600 writes over 20 products: the first put of each, price changes (about 330), changes of the stock only,
    a price written in another spelling, a removal now and then; or as many as asked for. Returns [(product, item or None)]."""
    rng, shop, out = random.Random(seed), {}, []
    for number in range(count):
        product = f"{name}-{number if number < products else rng.randrange(products):02d}"
        item = shop.get(product)
        dice = rng.random()
        if item is None:
            item = {"product_id": {"S": product}, "price": n(f"{rng.randrange(100, 9999)}.{rng.randrange(1, 99):02d}"),
                    "stock": n(rng.randrange(50)), "name": {"S": f'"{product}" \u2028 \u00e9 \U0001f600'}}
        elif dice < 0.60:
            item = {**item, "price": n(f"{rng.randrange(1, 99999)}.{rng.randrange(1, 999999)}")}
        elif dice < 0.95:
            item = {**item, "stock": n(rng.randrange(1000, 99999) + number)}
        elif dice < 0.97:
            item = {**item, "price": {"S": f"on request {number}"}}
        else:
            item = None
        shop[product] = item
        out.append((product, item))
    return out
