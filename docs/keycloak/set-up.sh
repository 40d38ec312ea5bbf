#!/usr/bin/env bash
set -euo pipefail
# Makes the realm `easel` in a fresh Keycloak 26: scopes with the audience of Easel's endpoint ($ENDPOINT), and
# registration for the clients of claude.ai and ChatGPT. Runs inside of the container, once.

admin() { /opt/keycloak/bin/kcadm.sh "$@" --config /tmp/kcadm.config; }

admin config credentials --server http://localhost:8080 --realm master \
  --user "$KC_BOOTSTRAP_ADMIN_USERNAME" --password "$KC_BOOTSTRAP_ADMIN_PASSWORD"

# Access tokens cannot be called back, so they live ten minutes.
admin create realms -s realm=easel -s displayName=Easel -s enabled=true -s accessTokenLifespan=600 -s sslRequired=external

for scope in draw look delete admin; do
  id=$(admin create client-scopes -r easel -i -s name="$scope" -s protocol=openid-connect \
    -s 'attributes."include.in.token.scope"=true' -s 'attributes."display.on.consent.screen"=true' \
    -s "attributes.\"consent.screen.text\"=$scope pictures")
  # Keycloak leaves `resource` aside unless an experimental feature is on: the scope brings the audience.
  admin create "client-scopes/$id/protocol-mappers/models" -r easel -s name=audience -s protocol=openid-connect \
    -s protocolMapper=oidc-audience-mapper -s "config.\"included.custom.audience\"=$ENDPOINT" \
    -s 'config."access.token.claim"=true' -s 'config."id.token.claim"=false'
  admin update "default-optional-client-scopes/$id" -r easel -b '{}'
done

policies=$(admin get components -r easel --fields id,providerId,subType --format csv --noquotes \
  -q type=org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy)
policy() { grep -e "$1" <<<"$policies" | grep -e anonymous | grep -oE '[0-9a-f-]{36}'; }

# Who registers comes from the servers of the makers; where people are sent back to is what must be known.
admin update "components/$(policy trusted-hosts)" -r easel \
  -s 'config."trusted-hosts"=["claude.ai","claude.com","chatgpt.com"]' \
  -s 'config."host-sending-registration-request-must-match"=["false"]' \
  -s 'config."client-uris-must-match"=["true"]'
# Clients register with the scopes that Easel tells them to ask for, and with those of a long session.
admin update "components/$(policy allowed-client-templates)" -r easel -s 'config."allow-default-scopes"=["true"]' \
  -s 'config."allowed-client-scopes"=["openid","offline_access","draw","look","delete"]'

rm -f /tmp/kcadm.config
cat <<'END'
The realm is there. Add a person, in this container:
  /opt/keycloak/bin/kcadm.sh create users -r easel -s username=anna -s enabled=true
  /opt/keycloak/bin/kcadm.sh set-password -r easel --username anna --temporary --new-password <word>
after `kcadm.sh config credentials` as in this script.
END
