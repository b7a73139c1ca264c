"""Where the public keys are: the metadata of the Bot Framework and of Entra."""

from aiohttp import web

from sandbox.tokens import BOT_ISSUER, AccessTokens, BotTokens, v2_issuer
from sandbox.wire import answer, origin_of
from sandbox.world import World


class KeyMetadata:
    """Lets a receiver of tokens find the keys to check them with."""

    def __init__(self, world: World, bot: BotTokens, access: AccessTokens) -> None:
        self._world = world
        self._bot = bot
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/botframework/.well-known/openidconfiguration", self.bot_metadata),
            web.get("/botframework/keys", self.bot_keys),
            web.get("/entra/{tenant}/v2.0/.well-known/openid-configuration", self.metadata),
            web.get("/entra/{tenant}/discovery/v2.0/keys", self.keys),
        ]

    async def bot_metadata(self, request: web.Request) -> web.Response:
        return answer(
            {
                "issuer": BOT_ISSUER,
                "authorization_endpoint": "https://invalid.botframework.com",
                "jwks_uri": f"{origin_of(request)}/botframework/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            }
        )

    async def bot_keys(self, _: web.Request) -> web.Response:
        return answer({"keys": [{**self._bot.key.jwk(), "endorsements": ["msteams"]}]})

    async def metadata(self, request: web.Request) -> web.Response:
        base = f"{origin_of(request)}/entra/{self._world.tenant}"
        return answer(
            {
                "issuer": v2_issuer(self._world.tenant),
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def keys(self, _: web.Request) -> web.Response:
        return answer({"keys": [self._access.key.jwk()]})
